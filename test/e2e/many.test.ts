import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type EntryConfig, type ExitConfig, parseOpenListen } from '../../src/app/config.ts';
import { startEntry } from '../../src/app/entry.ts';
import { startExit } from '../../src/app/exit.ts';
import type { Service } from '../../src/app/service.ts';
import { parseTargetAddress } from '../../src/core/address.ts';
import { silentLogger } from '../../src/core/log.ts';
import { newKey } from '../../src/sys/key.ts';
import { MiB } from './support/numbers.ts';
import { Pair } from './support/pair.ts';
import { Target } from './support/target.ts';
import { closed, digestOf, receive, send } from './support/traffic.ts';
import { until } from './support/wait.ts';

const LANES = 8;
/** MiB of resident memory that a process may gain each time that it does again what it has done before. */
const MAX_GROWTH = 32;
const REPEATS = 3;
const isLinux = process.platform === 'linux';

test('1,000 connections at once over 8 lanes, four times: all right, nothing left', {
  timeout: 90_000,
}, async (t) => {
  const pair = await startPair(t);
  const sizes = Array.from({ length: 1_000 }, (_, n) => 20_000 + 37 * n);
  const round = async (): Promise<void> => {
    // None ends before all have begun.
    const sockets = await Promise.all(sizes.map(() => pair.connect()));
    const all = async (): Promise<boolean> =>
      (await pair.session('exit')).channels.active === sizes.length;
    await until(all, 10_000, () => '1,000 channels at the exit');
    await Promise.all(sockets.map((socket, n) => exchange(socket, n, sizes[n]!)));
    await pair.isIdle();
  };
  await round();
  const before = measure(pair);
  // A heap may grow once for the load; a leak grows each time.
  for (let again = 0; again < REPEATS; again += 1) await round();
  await expectNothingLeft(t, pair, before, (1 + REPEATS) * sizes.length, REPEATS);
});

test('10,000 connections in a row: all right, nothing left', { timeout: 90_000 }, async (t) => {
  const pair = await startPair(t);
  const inARow = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) await exchange(pair.dial(), n);
    await pair.isIdle();
  };
  await inARow(4_000);
  const before = measure(pair);
  await inARow(6_000);
  await expectNothingLeft(t, pair, before, 10_000);
});

test('an entry and an exit leave no socket and no timer behind', { timeout: 30_000 }, async (t) => {
  for (const plain of [false, true]) {
    await t.test(plain ? 'plain' : 'TLS', async (t) => {
      const target = await startTarget(t);
      await settled();
      const before = handles();
      const [entry, exit] = await startServices(target, plain);
      await until(
        () => entry.readiness().ready,
        5_000,
        () => 'a session',
      );
      const run = async (): Promise<void> => {
        const sockets = Array.from({ length: 50 }, () => dialEntry(entry));
        await Promise.all(sockets.map((socket, n) => exchange(socket, n, 10_000)));
        // Some end with an RST instead.
        for (const socket of Array.from({ length: 20 }, () => dialEntry(entry))) {
          socket.write('cut short');
          await once(socket, 'data');
          socket.resetAndDestroy();
        }
        await until(
          () => channelsOf(entry) + channelsOf(exit) === 0,
          5_000,
          () => 'no channel',
        );
        await settled();
      };
      await run();
      const idle = handles();
      await run();
      await run();
      assert.deepEqual(handles(), idle, 'a pair that is idle again has what it had before');

      const dying = dialEntry(entry);
      dying.write('still open when the pair is closed');
      await once(dying, 'data');
      await Promise.all([entry.close(), exit.close()]);
      await closed(dying);
      await until(
        () => sameHandles(handles(), before),
        3_000,
        () => `${handles()} left`,
      );
    });
  }
});

test('a pair that is closed in the middle of its start leaves nothing behind', {
  timeout: 30_000,
}, async (t) => {
  const target = await startTarget(t);
  for (const plain of [false, true]) {
    await t.test(plain ? 'plain' : 'TLS', async () => {
      await settled();
      const before = handles();
      for (const pause of [0, 1, 2, 3, 5, 8, 12, 20]) {
        const [entry, exit] = await startServices(target, plain);
        const stranger = connect(portOf(exit), '127.0.0.1').on('error', () => {});
        await once(stranger, 'connect');
        await delay(pause);
        const start = performance.now();
        await Promise.all([entry.close(), exit.close()]);
        const took = performance.now() - start;
        assert.ok(took < 1_500, `closing after ${pause} ms took ${took} ms`);
        assert.equal(sessionsOf(entry) + sessionsOf(exit), 0);
        stranger.destroy();
      }
      await until(
        () => sameHandles(handles(), before),
        3_000,
        () => `${handles()} left`,
      );
    });
  }
});

/** An echo over a pair of processes. */
async function startPair(t: TestContext): Promise<Pair> {
  const target = await startTarget(t);
  return Pair.start(t, { to: target.address, lanes: LANES });
}

async function startTarget(t: TestContext): Promise<Target> {
  const target = await Target.start((socket) => socket.pipe(socket));
  t.after(() => target.close());
  return target;
}

/** Sends bytes, ends, and gets the same back. */
async function exchange(socket: Socket, seed: number, size = 500): Promise<void> {
  const receiving = receive(socket);
  await send(socket, size, seed);
  socket.end();
  const { bytes, digest } = await receiving;
  assert.equal(bytes, size);
  assert.equal(digest, digestOf(size, seed));
  await closed(socket);
}

interface Figures {
  readonly sockets: number;
  readonly rss: number;
}

function measure(pair: Pair): [Figures, Figures] | null {
  if (!isLinux) return null;
  return [pair.entry, pair.exit].map(({ sockets, rss }) => ({ sockets, rss })) as [
    Figures,
    Figures,
  ];
}

async function expectNothingLeft(
  t: TestContext,
  pair: Pair,
  before: [Figures, Figures] | null,
  connections: number,
  repeats = 1,
): Promise<void> {
  await pair.isIdle();
  for (const side of ['entry', 'exit'] as const) {
    const { channels } = await pair.session(side);
    assert.deepEqual(channels, { active: 0, opened: connections, refused: 0, reset: 0 });
    const { memory } = await pair[side].status();
    assert.equal(memory.sendBytes + memory.receiveBytes, 0);
    assert.deepEqual(pair[side].linesLike(/^(warn|error)|lane ended/), []);
  }
  if (before === null) return;
  const isClean = (): boolean =>
    measure(pair)!.every(({ sockets }, side) => sockets <= before[side]!.sockets);
  await until(
    isClean,
    3_000,
    () => `${JSON.stringify(measure(pair))} after ${JSON.stringify(before)}`,
  );
  const growth = measure(pair)!.map(({ rss }, side) => (rss - before[side]!.rss) / MiB / repeats);
  t.diagnostic(
    `resident memory grew by ${growth.map((one) => one.toFixed(1)).join(' and ')} MiB a time`,
  );
  assert.ok(
    growth.every((one) => one < MAX_GROWTH),
    `resident memory grew by ${growth} MiB`,
  );
}

async function startServices(target: Target, plain: boolean): Promise<[Service, Service]> {
  const both = {
    listen: parseOpenListen('127.0.0.1:0'),
    key: newKey(),
    plain,
    scheduler: 'adaptive',
    memory: 64 * MiB,
    resume: 5_000,
    busyPoll: 0.2,
  } as const;
  const exitConfig: ExitConfig = {
    ...both,
    to: parseTargetAddress(target.address),
    connectTimeout: 1_000,
  };
  const exit = await startExit(exitConfig, silentLogger);
  const exits = [parseTargetAddress(exit.listen[0]!)];
  const entryConfig: EntryConfig = { ...both, exits, from: [], lanes: LANES };
  return [await startEntry(entryConfig, silentLogger), exit];
}

function dialEntry(entry: Service): Socket {
  const port = portOf(entry);
  return connect({ host: '127.0.0.1', port, allowHalfOpen: true }).on('error', () => {});
}

function portOf(service: Service): number {
  return Number(service.listen[0]!.split(':').at(-1));
}

function sessionsOf(service: Service): number {
  const status = service.status();
  return status.role === 'relay' ? 0 : status.sessions.length;
}

function channelsOf(service: Service): number {
  const status = service.status();
  if (status.role === 'relay') return 0;
  return status.sessions.reduce((sum, { channels }) => sum + channels.active, 0);
}

/** What keeps this process alive, sorted. */
function handles(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /TCP|Timeout|Pipe/.test(name))
    .sort();
}

function sameHandles(one: string[], other: string[]): boolean {
  return one.join() === other.join();
}

/** Lets sockets that have ended close. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((done) => setImmediate(done));
}
