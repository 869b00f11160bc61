import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MiB } from '../e2e/support/numbers.ts';
import { Pair } from '../e2e/support/pair.ts';
import { digestOfFile, patternOf, writePattern } from './support/files.ts';
import { missing } from './support/packages.ts';
import { freePort, must, run, serve, temporaryFolder } from './support/programs.ts';

const SIZE = 256 * MiB;
const skip = await missing({
  '/usr/sbin/sshd': 'openssh-server',
  'ssh-keygen': 'openssh-client',
  ssh: 'openssh-client',
  scp: 'openssh-client',
});

test('OpenSSH', { skip, timeout: 120_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const { port: target, options } = await startServer(t, folder);
  const pair = await Pair.start(t, { to: `127.0.0.1:${target}` });
  const where = `${userInfo().username}@127.0.0.1`;
  const ssh = ['-p', `${pair.entry.port}`, ...options, where];
  const scp = ['-q', '-P', `${pair.entry.port}`, ...options];

  await t.test('ssh: output, errors and exit status of a command', async () => {
    const { code, stdout, stderr } = await run('ssh', [...ssh, 'echo out; echo err >&2; exit 7']);
    assert.equal(stdout.toString(), 'out\n', stderr);
    assert.equal(stderr, 'err\n');
    assert.equal(code, 7);
  });

  await t.test('ssh: 20 MiB through a command, there and back', async () => {
    const input = patternOf(20 * MiB, 1);
    const output = await must('ssh', [...ssh, 'cat'], { input });
    assert.ok(output.equals(input));
  });

  await t.test('ssh: a dozen at once', async () => {
    const numbers = Array.from({ length: 12 }, (_, n) => n);
    const outputs = await Promise.all(numbers.map((n) => must('ssh', [...ssh, `echo ${n}`])));
    assert.deepEqual(
      outputs.map((output) => output.toString()),
      numbers.map((n) => `${n}\n`),
    );
  });

  for (const direction of ['up', 'down'] as const) {
    await t.test(`scp: 256 MiB ${direction}`, async (t) => {
      const source = join(folder, `source-${direction}`);
      const copy = join(folder, `copy-${direction}`);
      writePattern(source, SIZE, 2);
      const paths =
        direction === 'up' ? [source, `${where}:${copy}`] : [`${where}:${source}`, copy];
      const start = performance.now();
      await must('scp', [...scp, ...paths]);
      const seconds = (performance.now() - start) / 1000;
      t.diagnostic(`${(SIZE / MiB / seconds).toFixed(0)} MiB/s`);
      assert.equal(await digestOfFile(copy), await digestOfFile(source));
    });
  }
});

/** An sshd of this user's own, with its own keys; and what clients must be told about it. */
async function startServer(
  t: TestContext,
  folder: string,
): Promise<{ port: number; options: string[] }> {
  const port = await freePort();
  const path = (name: string): string => join(folder, name);
  const keygen = ['-q', '-t', 'ed25519', '-N', '', '-f'];
  await must('ssh-keygen', [...keygen, path('host_key')]);
  await must('ssh-keygen', [...keygen, path('user_key')]);
  writeFileSync(
    path('config'),
    `ListenAddress 127.0.0.1:${port}
HostKey ${path('host_key')}
PidFile ${path('pid')}
AuthorizedKeysFile ${path('user_key.pub')}
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
`,
  );
  // Where root's sshd locks itself up; a package that never started its service has not made it.
  if (process.getuid?.() === 0 && !existsSync('/run/sshd')) mkdirSync('/run/sshd', 0o755);
  await serve(t, port, '/usr/sbin/sshd', ['-D', '-e', '-f', path('config')]);
  const options = {
    IdentityFile: path('user_key'),
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    UserKnownHostsFile: path('known_hosts'),
    StrictHostKeyChecking: 'accept-new',
    BatchMode: 'yes',
    LogLevel: 'ERROR',
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return { port, options: ['-F', 'none', ...flags] };
}
