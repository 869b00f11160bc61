import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LaneKeeper, type LaneSink, type LaneSource } from '../../src/app/lane-keeper.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { Joined, SessionTicket } from '../../src/io/lane-handshake.ts';
import { BrokenPipe } from '../../src/io/pipe.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import { nodeClock } from '../../src/loop/node-clock.ts';
import { Lane } from '../../src/protocol/lane.ts';
import { until } from '../e2e/support/wait.ts';

const ticket: SessionTicket = { id: new Uint8Array(16), key: new Uint8Array(32) };
const settings = { sessionWindow: 1e6, initialWindow: 1e5, maxChannels: 10, resume: 1_000 };

/** A keeper of one lane, whose dials succeed while `isReachable`, and the lanes that it has raised. */
class Bench {
  isReachable = true;
  dials = 0;
  /** Whoever is at the other end takes each lane, and drops it at once. */
  isDropping = false;
  readonly silent = new Set<Lane>();
  readonly up: Lane[] = [];
  readonly #ends = new Map<Lane, () => void>();
  #nextId = 1;
  readonly keeper: LaneKeeper;

  constructor(t: TestContext) {
    const source: LaneSource = {
      connect: async () => {
        this.dials += 1;
        if (!this.isReachable) throw new BrokenPipe('lost', 'nobody is there');
        return memoryPipePair({ capacity: 1, clock: nodeClock })[0];
      },
      join: async (_pipe, lane) => ({ ticket, lane, peer: settings, early: null }),
    };
    const sink: LaneSink = {
      ticket,
      takeLaneId: () => this.#nextId++,
      onSession: () => assert.fail('there is a session'),
      onLane: (joined) => this.#onLane(joined),
      isSilent: (lane) => this.silent.has(lane),
      drain: (lane) => this.end(lane),
      drop: (lane) => this.end(lane),
      onSessionUnknown: () => {},
    };
    const exit = { kind: 'tcp', host: '192.0.2.1', port: 7000 } as const;
    this.keeper = new LaneKeeper([{ exit, from: undefined }], source, sink, silentLogger);
    t.after(() => this.keeper.stop());
  }

  end(lane: Lane): void {
    if (!this.up.includes(lane)) return;
    this.up.splice(this.up.indexOf(lane), 1);
    this.#ends.get(lane)!();
  }

  async has(...ids: number[]): Promise<void> {
    const state = () => this.up.map((lane) => lane.id).join();
    await until(
      () => state() === ids.join(),
      5_000,
      () => `lanes ${state()}, not ${ids}`,
    );
  }

  async dialled(times: number, limit = 5_000): Promise<void> {
    await until(
      () => this.dials >= times,
      limit,
      () => `${this.dials} dials, not ${times}`,
    );
  }

  #onLane(joined: Joined): { lane: Lane; ended: Promise<void> } {
    const lane = new Lane(joined.lane, { writable: true, send: (chunk) => chunk.release() }, 0);
    this.up.push(lane);
    const ended = new Promise<void>((resolve) => this.#ends.set(lane, resolve));
    if (this.isDropping) this.end(lane);
    return { lane, ended };
  }
}

test('a lane that stays silent gives way to its understudy, once that has had its second', async (t) => {
  const bench = new Bench(t);
  const lane = await bench.keeper.add();
  bench.silent.add(lane);
  bench.keeper.replace(lane);
  bench.keeper.replace(lane);
  await bench.has(1, 2);
  await bench.has(2);
  assert.equal(bench.dials, 2, 'one understudy, however often it is asked for');
  assert.equal(bench.keeper.wanted, 1);

  // The understudy is a lane like any other now.
  bench.end(bench.up[0]!);
  await bench.has(3);
});

test('a lane that speaks again keeps its place', async (t) => {
  const bench = new Bench(t);
  const lane = await bench.keeper.add();
  bench.silent.add(lane);
  bench.keeper.replace(lane);
  await bench.has(1, 2);
  bench.silent.clear();
  await bench.has(1);
  assert.equal(bench.dials, 2);

  bench.silent.add(lane);
  bench.keeper.replace(lane);
  await bench.has(1, 3);
});

test('a silent lane that ends leaves its place to the understudy that is being dialled', async (t) => {
  const bench = new Bench(t);
  const lane = await bench.keeper.add();
  bench.silent.add(lane);
  bench.isReachable = false;
  bench.keeper.replace(lane);
  await bench.dialled(3);
  bench.end(lane);
  bench.isReachable = true;
  await bench.has(2);
});

test('a lane that is retired takes its understudy along', async (t) => {
  const bench = new Bench(t);
  const lane = await bench.keeper.add();
  bench.silent.add(lane);
  bench.keeper.replace(lane);
  await bench.has(1, 2);
  assert.ok(bench.keeper.retire(lane));
  bench.end(lane);
  await bench.has();
  assert.equal(bench.keeper.wanted, 0);
});

test('lanes that are dropped as soon as they are up are dialled after pauses, as if they had failed', async (t) => {
  const bench = new Bench(t);
  bench.isDropping = true;
  const start = performance.now();
  await bench.keeper.add();
  await bench.dialled(5);
  // At least 50, 100, 200 and 400 ms; timers may be early by one.
  assert.ok(performance.now() - start > 740, `5 dials in ${performance.now() - start} ms`);

  bench.isDropping = false;
  await bench.dialled(6);
  await delay(1_100);
  const [lane] = bench.up;
  bench.end(lane!);
  await bench.dialled(7, 40);
});

test('understudies that are dropped as soon as they are up are dialled after pauses, too', async (t) => {
  const bench = new Bench(t);
  const lane = await bench.keeper.add();
  await delay(1_100);
  bench.silent.add(lane);
  bench.isDropping = true;
  const start = performance.now();
  const asking = setInterval(() => bench.keeper.replace(lane), 1);
  t.after(() => clearInterval(asking));
  await bench.dialled(5);
  // The first at once, the others after at least 50, 100 and 200 ms.
  assert.ok(performance.now() - start > 340, `4 dials in ${performance.now() - start} ms`);
  assert.deepEqual(bench.up, [lane]);
});
