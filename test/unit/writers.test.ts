import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk } from '../../src/core/chunk.ts';
import { Budget } from '../../src/data/budget.ts';
import { Channel } from '../../src/protocol/channel.ts';
import { Writers } from '../../src/protocol/writers.ts';

/** Channels whose writers write whenever they may, and lanes that take what they are told to. */
class World {
  backlog = 0;
  readonly woken: number[] = [];
  /** How often it asked to be served in a later turn. */
  agains = 0;
  readonly budget: Budget;
  readonly writers: Writers;

  constructor(budget = 64 * 1024 * 1024) {
    this.budget = new Budget(budget);
    this.writers = new Writers(this.budget, {
      backlog: () => this.backlog,
      wake: (channel) => this.woken.push(channel.id),
      again: () => {
        this.agains += 1;
      },
    });
  }

  channel(id: number): Channel {
    return new Channel(id, { sendLimit: 1_000_000_000, receiveWindow: 1, isKnown: true });
  }

  write(channel: Channel, bytes: number): void {
    channel.send.push(new Chunk(new Uint8Array(bytes)));
    this.writers.take(bytes);
    this.writers.check(channel);
  }

  /** All that is queued leaves. */
  send(channel: Channel): void {
    const bytes = channel.send.queuedBytes;
    while (channel.send.queuedBytes > 0) channel.send.take(bytes, bytes, 0);
    this.writers.onShortened(channel, 0);
  }
}

test('a writer alone queues ahead of its lanes, up to a limit, and goes on once half of that has left', () => {
  const world = new World();
  const channel = world.channel(1);
  world.write(channel, 200_000);
  assert.equal(channel.isCongested, false);
  world.write(channel, 100_000);
  assert.equal(channel.isCongested, true);
  world.writers.onShortened(channel, 0);
  world.writers.serve();
  assert.deepEqual(world.woken, [], 'its queue is as long as it was');
  world.send(channel);
  world.writers.serve();
  assert.deepEqual([world.woken, channel.isCongested], [[1], false]);
});

test('where many wait for the lanes, a writer stands in line with its first byte, and each gets its turn', () => {
  const world = new World();
  world.backlog = 16;
  const channels = Array.from({ length: 40 }, (_, at) => world.channel(at + 1));
  for (const channel of channels) world.write(channel, 20_000);
  assert.ok(channels.every(({ isCongested }) => isCongested));
  for (const channel of channels) world.send(channel);
  world.writers.serve();
  assert.deepEqual(world.woken, [], 'others wait for the lanes before them');
  world.backlog = 6;
  world.writers.serve();
  assert.equal(world.woken.length, 10);
  // Who has had a turn stands behind those who have not.
  for (const id of [...world.woken]) {
    world.backlog = 16;
    world.write(channels[id - 1]!, 20_000);
    world.send(channels[id - 1]!);
  }
  world.backlog = 0;
  for (let serves = 0; serves < 3; serves += 1) world.writers.serve();
  assert.deepEqual(
    world.woken.slice(0, 40),
    channels.map(({ id }) => id),
  );
});

test('an interactive writer that had to wait for the lanes does not stand in line behind bulk', () => {
  const world = new World();
  world.backlog = 16;
  const [bulk, interactive] = [world.channel(1), world.channel(2)];
  world.write(bulk, 20_000);
  world.write(interactive, 100);
  assert.equal(interactive.isCongested, true);
  for (const channel of [bulk, interactive]) world.send(channel);
  assert.deepEqual(world.woken, [2]);
});

test('a line goes on in the next turn where nothing else holds it up, and asks no more once it is gone', () => {
  const world = new World(100_000);
  const taker = world.channel(100);
  world.write(taker, 100_000);
  const channels = Array.from({ length: 10 }, (_, at) => world.channel(at + 1));
  for (const channel of channels) world.writers.check(channel);
  assert.equal(world.agains, 0, 'there is nothing to be had');
  world.writers.give(100_000);
  assert.deepEqual([world.agains, world.woken], [1, []], 'not from inside of who gives');
  world.writers.serve();
  assert.deepEqual([world.woken.length, world.agains], [4, 2], 'as many as the budget is good for');
  world.writers.serve();
  world.writers.serve();
  assert.deepEqual([world.woken.length, world.agains], [10, 3]);
});

test('a session that has ended waits for nothing', () => {
  const world = new World(100_000);
  world.write(world.channel(1), 100_000);
  world.writers.check(world.channel(2));
  world.writers.clear();
  world.writers.give(100_000);
  assert.deepEqual([world.agains, world.woken], [0, []]);
});

test('a writer that meets an empty budget is woken by what returns to it, and not after it has gone', () => {
  const world = new World(100_000);
  const [taker, waiter, gone] = [world.channel(1), world.channel(2), world.channel(3)];
  world.write(taker, 100_000);
  for (const channel of [waiter, gone]) world.writers.check(channel);
  assert.deepEqual([waiter.isCongested, gone.isCongested], [true, true]);
  world.writers.serve();
  assert.deepEqual(world.woken, []);
  world.writers.forget(gone);
  world.writers.give(100_000);
  world.writers.serve();
  assert.deepEqual(world.woken, [2]);
});
