import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk } from '../../src/core/chunk.ts';
import { Budget } from '../../src/data/budget.ts';
import type { Pipe, PipeHandler } from '../../src/io/pipe.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import type { StripedPipe } from '../../src/io/pipe-striped.ts';
import { Trunk } from '../../src/io/trunk.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';
import { createScheduler } from '../../src/protocol/scheduler.ts';

const KiB = 1024;
const LIMIT = 256 * KiB;

/** Sessions of one process, each with one lane to a peer, that share what they may hold for sending. */
class World {
  readonly clock = new VirtualClock();
  readonly budget = new Budget(LIMIT);

  /** The entry's end of a fresh session's only channel; the exit's application reads or does not. */
  open(isRead: boolean): { pipe: StripedPipe; drains: () => number } {
    const [near, far] = memoryPipePair({ capacity: 64 * KiB, clock: this.clock });
    const exit = this.#trunk('exit', new Budget(LIMIT), (pipe) => {
      pipe.attach(sink());
      pipe.accept();
      if (isRead) pipe.resume();
    });
    const entry = this.#trunk('entry', this.budget, () => assert.fail('an exit opens nothing'));
    exit.addLane(1, far, null);
    entry.addLane(1, near, null);
    const pipe = entry.open(new Uint8Array(0));
    let drains = 0;
    pipe.attach(
      sink(() => {
        drains += 1;
      }),
    );
    return { pipe, drains: () => drains };
  }

  #trunk(role: 'entry' | 'exit', sendBudget: Budget, onOpen: (pipe: StripedPipe) => void): Trunk {
    const options = {
      role,
      scheduler: createScheduler('adaptive'),
      sessionWindow: 8 * LIMIT,
      initialWindow: 64 * KiB,
      peerSessionWindow: 8 * LIMIT,
      peerInitialWindow: 64 * KiB,
      maxChannels: 16,
      sendBudget,
    };
    return new Trunk(options, this.clock, { onOpen, onLaneEnd() {}, onGoAway() {}, onClosed() {} });
  }
}

function sink(onDrain = (): void => {}): PipeHandler {
  return {
    onChunk: (chunk) => chunk.release(),
    onDrain,
    onFin() {},
    onFinSent() {},
    onBroken() {},
  };
}

function write(pipe: Pipe, bytes: number): void {
  assert.equal(pipe.send(new Chunk(new Uint8Array(bytes))), true);
}

test('a writer that waits for what another session holds is woken as soon as that is given back', () => {
  const world = new World();
  const { clock, budget } = world;
  const holder = world.open(false);
  write(holder.pipe, 2 * LIMIT); // more than its peer takes
  const waiter = world.open(true);
  write(waiter.pipe, 100);
  clock.runUntil(60);
  assert.equal(waiter.pipe.writable, false, 'there is no room for more of it');
  assert.equal(waiter.drains(), 0);
  holder.pipe.abort();
  assert.ok(budget.free > 0);
  assert.equal(waiter.drains(), 0, 'not from inside of another one’s call');
  clock.runUntil(60);
  assert.deepEqual([waiter.pipe.writable, waiter.drains()], [true, 1], 'in no time');
});

test('all who wait get their turn, session by session, and none is told after it has gone', () => {
  const world = new World();
  const { clock } = world;
  const holder = world.open(false);
  write(holder.pipe, 2 * LIMIT); // more than its peer takes
  const waiters = Array.from({ length: 20 }, () => world.open(true));
  for (const { pipe } of waiters) write(pipe, 100);
  clock.runUntil(60);
  assert.ok(waiters.every(({ pipe }) => !pipe.writable));
  const [gone, ...others] = waiters;
  gone!.pipe.abort();
  holder.pipe.abort();
  clock.runUntil(60);
  assert.deepEqual(
    others.map(({ drains }) => drains()),
    others.map(() => 1),
  );
  assert.equal(gone!.drains(), 0);
});
