import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { CallCost } from './cost-calls.ts';
import type { ChurnCost } from './cost-churn.ts';
import type { HeapCost } from './cost-heap.ts';
import { CostWorld, type CountingClock, MiB } from './cost-world.ts';

// What a byte and a frame cost, counted rather than timed: the same on any machine. The bounds leave
// room for what does not matter and none for a copy, a timer or a promise per frame.

const BULK = 256 * MiB;
const MESSAGES = 1_000;
const MESSAGE = 100;

for (const lanes of [1, 8]) {
  test(`bulk over ${lanes} lane${lanes === 1 ? '' : 's'}: the payload stays where it is`, () => {
    const world = new CostWorld(lanes);
    world.carryBulk(BULK); // until frames have grown
    const sent = { ...world.sent };
    const received = { all: world.received, inPlace: world.receivedInPlace };
    const copies = countCopies(() => world.carryBulk(BULK));
    const bytes = world.sent.bytes - sent.bytes;
    const carried = world.received - received.all;
    const perByte = {
      copied: copies.bytes / carried,
      sentInPlace: (world.sent.bytesInPlace - sent.bytesInPlace) / bytes,
      receivedInPlace: (world.receivedInPlace - received.inPlace) / carried,
    };
    assert.ok(perByte.copied <= 0.001, `${perByte.copied} bytes copied per byte carried`);
    assert.ok(perByte.sentInPlace >= 0.999, `${perByte.sentInPlace} sent in place`);
    assert.ok(perByte.receivedInPlace >= 0.999, `${perByte.receivedInPlace} handed on in place`);
    assert.ok(bytes <= carried * 1.001, `${bytes} bytes on the lanes for ${carried}`);
  });

  test(`bulk over ${lanes} lane${lanes === 1 ? '' : 's'}: few frames, timers and clock reads`, () => {
    const world = new CostWorld(lanes);
    world.carryBulk(BULK);
    const frames = world.sent.chunks;
    const counted = countClocks(world.clocks, () => world.carryBulk(BULK));
    const perMiB = (count: number) => (count * MiB) / BULK;
    assert.ok(
      perMiB(world.sent.chunks - frames) <= (lanes === 1 ? 4 : 16),
      `${perMiB(world.sent.chunks - frames)} frames`,
    );
    for (const { reads, timers, turns } of counted) {
      assert.ok(perMiB(reads) <= 40, `${perMiB(reads)} clock reads per MiB`);
      assert.ok(perMiB(turns) <= 16, `${perMiB(turns)} turns per MiB`);
      assert.ok(perMiB(timers) <= 1, `${perMiB(timers)} timers per MiB`);
    }
  });
}

test('a small message is copied once and leaves in one piece', () => {
  const world = new CostWorld(8);
  world.carryMessages(MESSAGES, MESSAGE);
  const sent = { ...world.sent };
  let copies = { bytes: 0, calls: 0 };
  const counted = countClocks(world.clocks, () => {
    copies = countCopies(() => world.carryMessages(MESSAGES, MESSAGE));
  });
  const perMessage = (count: number) => count / MESSAGES;
  assert.ok(perMessage(copies.bytes) <= 1.5 * MESSAGE, `${perMessage(copies.bytes)} bytes copied`);
  assert.ok(perMessage(copies.calls) <= 3, `${perMessage(copies.calls)} copies`);
  const chunks = perMessage(world.sent.chunks - sent.chunks);
  assert.ok(chunks <= 1.1, `${chunks} writes`);
  const bytes = perMessage(world.sent.bytes - sent.bytes);
  assert.ok(bytes <= MESSAGE + 24, `${bytes} bytes on the lanes`);
  for (const { reads, timers } of counted) {
    assert.ok(perMessage(reads) <= 6, `${perMessage(reads)} clock reads`);
    assert.ok(perMessage(timers) <= 1, `${perMessage(timers)} timers`);
  }
});

test('a frame costs little heap', { timeout: 60_000 }, () => {
  const young = ['--min-semi-space-size=64', '--max-semi-space-size=64'];
  const cost = measured<HeapCost>('cost-heap', ['--expose-gc', ...young]);
  assert.equal(cost.collections, 0, 'the figures hold only without a collection');
  assert.ok(
    cost.bulkFrame > 0 && cost.bulkFrame <= 6_000,
    `${cost.bulkFrame} bytes per bulk frame`,
  );
  assert.ok(cost.bulkBuffers <= 4_096, `${cost.bulkBuffers} bytes of buffers per bulk frame`);
  assert.ok(cost.message > 0 && cost.message <= 6_000, `${cost.message} bytes per message`);
});

test('a frame and a message over eight lanes take few calls', { timeout: 60_000 }, () => {
  const cost = measured<CallCost>('cost-calls');
  // Looking at each lane through a few getters each time makes more than twice as many.
  assert.ok(cost.bulkFrame > 50 && cost.bulkFrame <= 280, `${cost.bulkFrame} calls per bulk frame`);
  assert.ok(cost.message > 50 && cost.message <= 340, `${cost.message} calls per message`);
});

test('connections that come and go leave nothing that only a full collection finds', {
  timeout: 60_000,
}, () => {
  const roomy = '--initial-old-space-size=256'; // MiB, before a full collection is due
  const cost = measured<ChurnCost>('cost-churn', ['--expose-gc', roomy]);
  assert.ok(cost.collections >= 10, `${cost.collections} collections say nothing`);
  assert.equal(cost.fullCollections, 0, 'the figure holds only without a full collection');
  // Kept in Sets and Maps, a connection would leave all that belongs to it.
  assert.ok(cost.old <= 300, `${cost.old} bytes per connection`);
});

/** What the program of that name beside this one prints, in a process of its own with these flags. */
function measured<Cost>(name: string, flags: readonly string[] = []): Cost {
  const program = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  const output = execFileSync(process.execPath, [...flags, program], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  return JSON.parse(output);
}

interface Copies {
  bytes: number;
  calls: number;
}

/** Counts what typed arrays copy while `action` runs. */
function countCopies(action: () => void): Copies {
  const prototype: Uint8Array = Object.getPrototypeOf(Uint8Array.prototype);
  const { set, slice, copyWithin } = prototype;
  const copies: Copies = { bytes: 0, calls: 0 };
  const count = (bytes: number) => {
    copies.bytes += bytes;
    copies.calls += 1;
  };
  prototype.set = function (source, offset) {
    count(source.length);
    set.call(this, source, offset);
  };
  prototype.slice = function (start, end) {
    const copy = slice.call(this, start, end);
    count(copy.length);
    return copy;
  };
  prototype.copyWithin = function (target, start, end) {
    count((end ?? this.length) - start);
    copyWithin.call(this, target, start, end);
    return this;
  };
  try {
    action();
  } finally {
    Object.assign(prototype, { set, slice, copyWithin });
  }
  return copies;
}

/** What each of the clocks was asked while `action` ran. */
function countClocks(
  clocks: readonly CountingClock[],
  action: () => void,
): { reads: number; timers: number; turns: number }[] {
  const before = clocks.map(({ reads, timers, turns }) => ({ reads, timers, turns }));
  action();
  return clocks.map(({ reads, timers, turns }, at) => ({
    reads: reads - before[at]!.reads,
    timers: timers - before[at]!.timers,
    turns: turns - before[at]!.turns,
  }));
}
