import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MiB } from '../e2e/support/numbers.ts';
import { Pair } from '../e2e/support/pair.ts';
import { missing } from './support/packages.ts';
import { freePort, must, run, serve, temporaryFolder } from './support/programs.ts';

const skip = await missing({
  '/usr/share/postgresql-common/pg_wrapper': 'postgresql',
  psql: 'postgresql-client',
  pgbench: 'postgresql-contrib',
});

test('PostgreSQL', { skip, timeout: 90_000 }, async (t) => {
  const server = await startServer(t);
  const pair = await Pair.start(t, { to: `127.0.0.1:${server}` });
  const env = {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: `${pair.entry.port}`,
    PGUSER: 'postgres',
    PGDATABASE: 'postgres',
    PGCONNECT_TIMEOUT: '10',
  };
  const psql = (sql: string, input?: Uint8Array): Promise<Buffer> =>
    must('psql', ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-c', sql], {
      env,
      ...(input && { input }),
    });

  await t.test('psql: a query, an error, and a large result', async () => {
    assert.equal((await psql('select 6 * 7')).toString(), '42\n');
    await assert.rejects(psql('select nonsense'), /column "nonsense" does not exist/);
    const large = await psql("select repeat('0123456789', 2000000)");
    assert.equal(large.length, 20_000_001);
  });

  await t.test('psql: a table in and out with COPY', async () => {
    await psql('create table numbers (n int, text text)');
    const rows = Array.from({ length: 200_000 }, (_, n) => `${n}\trow number ${n}\n`).join('');
    await psql('\\copy numbers from stdin', Buffer.from(`${rows}\\.\n`));
    const back = await psql('\\copy (select * from numbers order by n) to stdout');
    assert.equal(back.toString(), rows);
  });

  await t.test('pgbench: 8 clients for 5 s', async (t) => {
    await must('pgbench', ['-i', '-q', '-s', '1'], { env });
    const output = (await must('pgbench', ['-c', '8', '-j', '2', '-T', '5'], { env })).toString();
    assert.match(output, /number of failed transactions: 0 /);
    t.diagnostic(/tps = [\d.]+/.exec(output)?.[0] ?? output);
  });

  await t.test('an unknown user is told by the server, not by a reset', async () => {
    const { code, stderr } = await run('psql', ['-X', '-c', 'select 1'], {
      env: { ...env, PGUSER: 'nobody-we-know' },
    });
    assert.equal(code, 2);
    assert.match(stderr, /role "nobody-we-know" does not exist/);
  });

  await pair.isIdle();
  const { channels } = await pair.session('exit');
  assert.equal(channels.reset, 0);
  assert.ok((await pair.entry.status()).memory.usedBytes < MiB);
});

/** A server with a fresh database; root's is run by the user of Debian's package. */
async function startServer(t: TestContext): Promise<number> {
  const owner = process.getuid?.() === 0 ? await idOf('postgres') : undefined;
  const folder = temporaryFolder(t, owner);
  const data = join(folder, 'data');
  const bin = newestBin();
  const port = await freePort();
  const init = ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '-E', 'UTF8'];
  await must(join(bin, 'initdb'), init, owner);
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    fsync: 'off',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const args = ['-D', data, '-p', `${port}`, ...flags];
  await serve(t, port, join(bin, 'postgres'), args, owner);
  return port;
}

/** Debian keeps the server's programs apart by version. */
function newestBin(): string {
  const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(a) - Number(b));
  return join('/usr/lib/postgresql', versions.at(-1)!, 'bin');
}

async function idOf(user: string): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => must('id', [flag, user])));
  return { uid: Number(uid), gid: Number(gid) };
}
