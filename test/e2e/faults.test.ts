import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MiB } from './support/numbers.ts';
import { startExit, testKey } from './support/pair.ts';
import { ProxyProcess } from './support/proxy-process.ts';
import { Target } from './support/target.ts';
import { ending, receive, send } from './support/traffic.ts';
import { until, within } from './support/wait.ts';
import { World } from './support/world.ts';

const LANES = 4;
const CAP = 1_000_000; // bytes per second and lane
const link = { rate: CAP, delay: 20 };
const path = { up: link, down: link };
const limits = { timeout: 60_000 };

// Most of these wait, so they wait together.
describe('faults', { concurrency: 4 }, () => {
  test(
    'the exit is killed: connections are reset once it is back, and new ones work',
    limits,
    async (t) => {
      const world = await World.start(t, { lanes: LANES, exitArgs: ['--resume', '60s'] });
      const { pair } = world;
      const [near] = await world.join();
      const end = ending(near.resume());
      const port = pair.exit.port;
      await pair.exit.kill();
      await pair.entry.logged(/all lanes are lost/);
      assert.equal((await pair.entry.readiness()).status, 503);

      pair.exit = await startExit({ ...world.options, exitListen: `127.0.0.1:${port}` });
      const back = performance.now();
      assert.equal(await within(3_000, end, 'the RST'), 'ECONNRESET');
      assert.equal(await world.echo(), 'hello');
      const took = performance.now() - back;
      t.diagnostic(`a new connection worked ${took.toFixed(0)} ms after the exit was back`);
      assert.ok(took < 2_500, `${took} ms`);
      await pair.hasLanes(LANES);
      assert.ok(pair.entry.isRunning);
    },
  );

  test(
    'the entry is killed: the exit resets targets and frees everything after --resume',
    limits,
    async (t) => {
      const world = await World.start(t, { lanes: LANES, exitArgs: ['--resume', '2s'] });
      const { pair } = world;
      const sockets = pair.exit.sockets - LANES;
      const [near, far] = await world.join();
      const sending = send(far, 64 * MiB, 3).catch(() => {});
      await once(near, 'data');
      near.pause();
      const end = ending(far.resume());
      const start = performance.now();
      await pair.entry.kill();
      assert.equal(await within(5_000, end, 'the RST'), 'ECONNRESET');
      const took = performance.now() - start;
      assert.ok(took > 1_900 && took < 3_000, `${took} ms`);
      far.destroy();
      await sending;

      const { sessions, memory } = await pair.exit.status();
      assert.deepEqual(sessions, []);
      assert.deepEqual(
        { ...memory, budgetBytes: 0 },
        {
          budgetBytes: 0,
          usedBytes: 0,
          readBufferBytes: 0,
          sendBytes: 0,
          receiveBytes: 0,
          sessionWindowBytes: 0,
        },
      );
      await until(
        () => pair.exit.sockets <= sockets,
        2_000,
        () => `${sockets} sockets`,
      );
    },
  );

  for (const victim of ['entry', 'exit'] as const) {
    test(
      `the ${victim} stands still for 5 s: no lane dies, nothing is lost, less than 1 % twice`,
      limits,
      async (t) => {
        const world = await World.start(t, { path, lanes: LANES });
        await expectPatience(t, world, async () => {
          world.pair[victim].signal('SIGSTOP');
          await delay(5_000);
          world.pair[victim].signal('SIGCONT');
        });
      },
    );

    test(
      `the event loop of the ${victim} is blocked for 1 s, three times: the same`,
      limits,
      async (t) => {
        const prefix = ['env', `NODE_OPTIONS=--import=data:text/javascript,${blockOnSignal}`];
        const world = await World.start(t, { path, lanes: LANES, prefix });
        await expectPatience(t, world, async () => {
          for (let times = 0; times < 3; times += 1) {
            world.pair[victim].signal('SIGUSR2');
            await delay(1_300);
          }
          assert.equal(world.pair[victim].linesLike(/blocked for 1 s/).length, 3);
        });
      },
    );
  }

  test(
    'all lanes are lost for 5 s: the transfer goes on within 1 s of their return, nothing is lost',
    limits,
    async (t) => {
      const world = await World.start(t, { path, lanes: LANES });
      const { emulator } = world.pair;
      const [near, far] = await world.join();
      const arrivals: number[] = [];
      const receiving = receive(far.end(), () => arrivals.push(performance.now()));
      const sending = send(near, 12 * MiB, 5).finally(() => near.end());
      await delay(1_000);
      emulator.refuse();
      for (const connection of emulator.connections) connection.kill();
      await delay(5_000);
      const lost = arrivals.length;
      await emulator.accept();
      const back = performance.now();
      assert.equal((await receiving).digest, await sending);
      const took = arrivals[lost]! - back;
      t.diagnostic(`bytes came again ${took.toFixed(0)} ms after the path was back`);
      assert.ok(took < 1_000, `${took} ms`);
    },
  );

  test(
    'all lanes are lost for longer than --resume: RST to both sides, and new connections work afterwards',
    limits,
    async (t) => {
      const resume = ['--resume', '2s'];
      const world = await World.start(t, {
        path,
        lanes: LANES,
        entryArgs: resume,
        exitArgs: resume,
      });
      const { emulator } = world.pair;
      const [near, far] = await world.join();
      const ends = Promise.all([ending(near.resume()), ending(far.resume())]);
      emulator.refuse();
      for (const connection of emulator.connections) connection.kill();
      const start = performance.now();
      assert.deepEqual(await within(4_000, ends, 'RST to both'), ['ECONNRESET', 'ECONNRESET']);
      const took = performance.now() - start;
      assert.ok(took > 1_900, `${took} ms`);
      await emulator.accept();
      assert.equal(await within(4_000, world.echo(), 'an echo'), 'hello');
    },
  );

  test(
    'no exit: connections wait 10 s for one, then are reset; the log tells it once',
    limits,
    async (t) => {
      const nowhere = await Target.start(() => {});
      const { address } = nowhere;
      await nowhere.close();
      const entry = await ProxyProcess.start(['entry', '0', '--exit', address, '-n', '4'], testKey);
      t.after(() => entry.kill());
      const start = performance.now();
      const sockets = Array.from({ length: 30 }, () => connect(entry.port, '127.0.0.1').resume());
      const ends = await within(15_000, Promise.all(sockets.map(ending)), 'RST to all');
      const took = performance.now() - start;
      assert.deepEqual(new Set(ends), new Set(['ECONNRESET']));
      assert.ok(took > 9_900, `${took} ms`);
      assert.equal(entry.linesLike(/connection refused/).length, 1, entry.logText);
      assert.equal(entry.linesLike(/no lane to the exit in time/).length, 1, entry.logText);
      assert.match((await entry.readiness()).reason ?? '', /connection refused/);
    },
  );

  for (const victim of ['entry', 'exit'] as const) {
    test(
      `SIGTERM to the ${victim}: it lets connections end, then leaves with 0`,
      limits,
      async (t) => {
        const world = await World.start(t, { lanes: 2 });
        const [near, far] = await world.join();
        const proxy = world.pair[victim];
        proxy.signal('SIGTERM');
        await proxy.logged(/stopping/);
        assert.match((await proxy.readiness()).reason ?? '', /told to stop/);
        if (victim === 'entry') {
          assert.equal(await ending(world.pair.dial().resume()), 'ECONNREFUSED');
        }
        const up = receive(far);
        const down = receive(near);
        const [above, below] = await Promise.all([send(near, MiB, 6), send(far, MiB, 7)]);
        near.end();
        far.end();
        assert.equal((await up).digest, above);
        assert.equal((await down).digest, below);
        assert.deepEqual(await within(3_000, proxy.ended, 'its end'), { code: 0, signal: null });
      },
    );

    test(`the ${victim} cuts what outlives --drain, and leaves with 5`, limits, async (t) => {
      const args = ['--drain', '500ms'];
      const world = await World.start(t, { lanes: 2, entryArgs: args, exitArgs: args });
      await expectCut(world, victim, 5, () => world.pair[victim].signal('SIGTERM'));
    });

    test(
      `a second SIGTERM to the ${victim} cuts at once, and it leaves with 143`,
      limits,
      async (t) => {
        const world = await World.start(t, { lanes: 2 });
        const proxy = world.pair[victim];
        await expectCut(world, victim, 143, async () => {
          proxy.signal('SIGTERM');
          await proxy.logged(/stopping/);
          proxy.signal('SIGTERM');
        });
      },
    );
  }
});

/** Makes a process of Node block its event loop for a second at SIGUSR2. */
const blockOnSignal = encodeURIComponent(
  "process.on('SIGUSR2', () => { const end = Date.now() + 1000; while (Date.now() < end); console.error('blocked for 1 s'); })",
);

/** Whatever holds up a proxy for a while: no lane dies, nothing is lost, less than 1 % comes twice. */
async function expectPatience(
  t: TestContext,
  world: World,
  holdUp: () => Promise<void>,
): Promise<void> {
  const { pair } = world;
  const [near, far] = await world.join();
  const size = 16 * MiB;
  const receiving = receive(far.end());
  const sending = send(near, size, 4).finally(() => near.end());
  await delay(1_500);
  await holdUp();
  assert.equal((await receiving).digest, await sending);
  const { duplicateBytes, lanes } = await pair.session('exit');
  const { resentBytes } = await pair.session('entry');
  t.diagnostic(`${duplicateBytes} bytes came twice, ${resentBytes} were sent again`);
  assert.deepEqual(lanes.map(({ id }) => id).sort(), [1, 2, 3, 4]);
  for (const side of ['entry', 'exit'] as const) {
    assert.deepEqual(pair[side].linesLike(/lane ended/), []);
  }
  assert.ok(duplicateBytes < size / 100, `${duplicateBytes} bytes came twice`);
}

/** Both applications are reset, and the proxy leaves with `code`. */
async function expectCut(
  world: World,
  victim: 'entry' | 'exit',
  code: number,
  order: () => void | Promise<void>,
): Promise<void> {
  const [near, far] = await world.join();
  const ends = Promise.all([ending(near.resume()), ending(far.resume())]);
  await order();
  assert.deepEqual(await within(3_000, ends, 'RST to both'), ['ECONNRESET', 'ECONNRESET']);
  const end = await within(3_000, world.pair[victim].ended, 'its end');
  assert.deepEqual(end, { code, signal: null });
}
