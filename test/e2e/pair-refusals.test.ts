import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { formatKey, newKey } from '../../src/sys/key.ts';
import { Pair, testKey } from './support/pair.ts';
import { ProxyProcess } from './support/proxy-process.ts';
import { Target } from './support/target.ts';
import { ending } from './support/traffic.ts';
import { until, within } from './support/wait.ts';

const limits = { timeout: 30_000 };

test('a target that refuses: RST, and one line in the log', limits, async (t) => {
  const closed = await Target.start(() => {});
  const { address } = closed;
  await closed.close();
  const pair = await Pair.start(t, { to: address, lanes: 2 });
  await expectRefusals(pair, address, /connection refused/);
});

test('a target that never answers: RST after --connect-timeout', limits, async (t) => {
  const port = await startMuteTarget(t);
  const exitArgs = ['--connect-timeout', '300ms'];
  const pair = await Pair.start(t, { to: `127.0.0.1:${port}`, lanes: 2, exitArgs });
  await expectRefusals(pair, `127.0.0.1:${port}`, /no answer in time/);
});

test('a target whose name nobody knows: RST, and one line in the log', limits, async (t) => {
  const to = 'no-such-host.invalid:22';
  const pair = await Pair.start(t, { to, lanes: 2 });
  // Which of the two depends on whether this machine has a name server.
  await expectRefusals(pair, to, /host name does not exist|name server does not answer/);
});

/** Three connections are reset; the log names the target and the cause once. */
async function expectRefusals(pair: Pair, target: string, cause: RegExp): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    const socket = pair.dial();
    const end = ending(socket.resume());
    socket.write('is anybody there?');
    assert.equal(await within(5_000, end, 'the RST'), 'ECONNRESET');
  }
  await pair.isIdle();
  const { channels } = await pair.session('exit');
  assert.deepEqual(channels, { active: 0, opened: 3, refused: 3, reset: 0 });
  const complaints = pair.exit.linesLike(/^(warn|error)/);
  assert.equal(complaints.length, 1, pair.exit.logText);
  const text = JSON.stringify(complaints[0]);
  assert.ok(text.includes(target), text);
  assert.match(text, cause);
  assert.equal(pair.entry.linesLike(/^(warn|error)/).length, 0, pair.entry.logText);
  assert.equal((await pair.entry.readiness()).status, 200);
}

test('entry and exit that do not fit say why, once, and stay up', async (t) => {
  const other = formatKey(newKey());
  const cases = [
    {
      name: 'another key, over TLS',
      entry: { key: other, plain: false },
      exit: { key: testKey, plain: false },
      entrySays: /another key/,
      exitSays: /another key/,
    },
    {
      name: 'another key, plain',
      entry: { key: other, plain: true },
      exit: { key: testKey, plain: true },
      entrySays: /wrong key/,
      exitSays: /wrong key/,
    },
    {
      name: 'a plain entry at a TLS exit',
      entry: { key: testKey, plain: true },
      exit: { key: testKey, plain: false },
      entrySays: /--plain/,
      exitSays: /--plain/,
    },
    {
      name: 'a TLS entry at a plain exit',
      entry: { key: testKey, plain: false },
      exit: { key: testKey, plain: true },
      entrySays: /--plain/,
      exitSays: /--plain/,
    },
  ];
  for (const { name, entry, exit, entrySays, exitSays } of cases) {
    await t.test(name, limits, async (t) => {
      const flags = (side: { plain: boolean }): string[] => (side.plain ? ['--plain'] : []);
      const far = await startProxy(
        t,
        ['exit', '127.0.0.1:0', '--to', '127.0.0.1:9', ...flags(exit)],
        exit.key,
      );
      const near = await startProxy(
        t,
        ['entry', '0', '--exit', far.listen, '-n', '4', ...flags(entry)],
        entry.key,
      );
      // Long enough for every lane to be tried again and again.
      const tries = () => far.linesLike(/a lane was not taken/).length >= 12;
      await until(tries, 10_000, () => `12 tries:\n${far.logText}`);

      const readiness = await near.readiness();
      assert.equal(readiness.status, 503);
      assert.match(readiness.reason ?? '', entrySays);
      assert.equal((await far.readiness()).status, 503);

      expectOneLine(near, entrySays);
      expectOneLine(far, exitSays);
      assert.ok(near.isRunning && far.isRunning);
    });
  }
});

function expectOneLine(proxy: ProxyProcess, pattern: RegExp): void {
  const complaints = proxy.linesLike(/^(warn|error)/);
  assert.equal(complaints.length, 1, proxy.logText);
  assert.match(JSON.stringify(complaints[0]), pattern);
}

async function startProxy(t: TestContext, args: string[], key: string): Promise<ProxyProcess> {
  const proxy = await ProxyProcess.start([...args, '--log-level', 'debug'], key);
  t.after(() => proxy.kill());
  return proxy;
}

/** A port whose queue of connections is full and that nobody accepts from: a SYN gets no answer. */
async function startMuteTarget(t: TestContext): Promise<number> {
  const server = spawn(process.execPath, ['--input-type=module', '--eval', mute]);
  t.after(() => server.kill('SIGKILL'));
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  const port = Number(line);
  const fillers: Socket[] = [];
  t.after(() => {
    for (const socket of fillers) socket.destroy();
  });
  for (;;) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    fillers.push(socket);
    const isTaken = within(300, once(socket, 'connect'), 'accepted').then(
      () => true,
      () => false,
    );
    if (!(await isTaken)) return port;
  }
}

const mute = `
  import { createServer } from 'node:net';
  const server = createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    process.stdout.write(String(server.address().port), () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });
  });
`;
