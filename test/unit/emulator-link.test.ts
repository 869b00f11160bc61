import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  Link,
  type LinkHandler,
  type LinkParameters,
  type Mark,
} from '../../src/app/emulator/link.ts';
import { Chunk, Slab } from '../../src/core/chunk.ts';
import type { Clock } from '../../src/loop/clock.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';

/** A link in virtual time, and all that came out of it. */
class Bench {
  readonly clock = new VirtualClock();
  readonly arrivals: { at: number; bytes: Uint8Array }[] = [];
  readonly marks: { at: number; mark: Mark; after: number }[] = [];
  readonly room: number[] = [];
  readonly link: Link;
  #next = 0;
  #homeless = 0;

  constructor(parameters: LinkParameters, tick = 0) {
    const handler: LinkHandler = {
      onArrival: (chunk) => {
        this.arrivals.push({ at: this.clock.now(), bytes: chunk.bytes });
        chunk.release();
      },
      onMark: (mark) => this.marks.push({ at: this.clock.now(), mark, after: this.arrived }),
      onRoom: () => this.room.push(this.clock.now()),
    };
    this.link = new Link(this.clock, parameters, handler, tick);
  }

  get arrived(): number {
    return this.arrivals.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  get last(): number {
    return this.arrivals.at(-1)!.at;
  }

  /** Chunks whose memory is still referred to. */
  get homeless(): number {
    return this.#homeless;
  }

  /** Pushes `size` bytes of one long counting sequence. */
  push(size: number): void {
    const bytes = Uint8Array.from({ length: size }, () => this.#next++);
    this.#homeless += 1;
    const slab = new Slab(bytes, () => {
      this.#homeless -= 1;
    });
    this.link.push(new Chunk(bytes, slab));
  }

  run(): void {
    while (this.clock.step());
  }

  assertIntact(): void {
    let expected = 0;
    for (const { bytes } of this.arrivals) {
      for (const byte of bytes) assert.equal(byte, expected++ & 0xff);
    }
    assert.equal(expected, this.#next);
    assert.equal(this.#homeless, 0);
  }
}

const about = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-3, `${actual} is not ${expected}`);

describe('link', () => {
  test('a lone chunk takes its sending time and the delay', () => {
    const bench = new Bench({ rate: 1_000_000, delay: 20 });
    bench.push(1000);
    bench.run();
    about(bench.last, 1 + 20);
    assert.equal(bench.arrivals.length, 1);
    bench.assertIntact();
  });

  test('bytes arrive at the rate, never ahead of it and at most a piece behind', () => {
    const bench = new Bench({ rate: 1_000_000, delay: 15, queue: 1 << 20 });
    bench.push(500_000);
    bench.run();
    let sum = 0;
    for (const { at, bytes } of bench.arrivals) {
      assert.ok(bytes.length <= 1448);
      sum += bytes.length;
      about(at, 15 + sum / 1000);
    }
    about(bench.last, 515);
    bench.assertIntact();
  });

  test('a fast link sends pieces of a millisecond', () => {
    const bench = new Bench({ rate: 50_000_000, queue: 1 << 20 });
    bench.push(500_000);
    bench.run();
    assert.deepEqual(
      bench.arrivals.map(({ bytes }) => bytes.length),
      Array.from({ length: 10 }, () => 50_000),
    );
    about(bench.last, 10);
  });

  test('idle time is not saved up', () => {
    const bench = new Bench({ rate: 1_000_000 });
    bench.push(1000);
    bench.clock.runUntil(1000);
    bench.push(5000);
    bench.run();
    about(bench.last, 1005);
  });

  test('without cap and delay everything arrives at once, but not inside push()', () => {
    const bench = new Bench({});
    bench.push(300_000);
    bench.push(1);
    assert.equal(bench.arrived, 0);
    bench.run();
    assert.equal(bench.arrived, 300_001);
    assert.equal(bench.last, 0);
    bench.assertIntact();
  });

  test('marks keep their place among the bytes', () => {
    const bench = new Bench({ rate: 1_000_000, delay: 7 });
    bench.link.mark('syn');
    bench.push(2000);
    bench.link.mark('fin');
    bench.run();
    assert.deepEqual(
      bench.marks.map(({ mark, after }) => [mark, after]),
      [
        ['syn', 0],
        ['fin', 2000],
      ],
    );
    about(bench.marks[0]!.at, 7);
    about(bench.marks[1]!.at, 9);
  });

  test('a new rate holds at once, even for the piece that is being sent', () => {
    const bench = new Bench({ rate: 1_000_000 });
    bench.push(1000);
    bench.clock.runUntil(0.6);
    bench.link.setRate(50_000);
    bench.run();
    about(bench.last, 0.6 + 400 / 50);
    bench.link.setRate(1_000_000);
    bench.push(2000);
    bench.run();
    about(bench.last, 8.6 + 2);
  });

  test('a hold shifts all that comes later by its length', () => {
    const bench = new Bench({ rate: 1_000_000, delay: 30 });
    bench.push(40_000);
    bench.clock.runUntil(35);
    assert.ok(bench.arrived > 4000 && bench.arrived <= 5000);
    const before = bench.arrived;
    bench.link.hold('stall');
    bench.clock.runUntil(1035);
    assert.equal(bench.arrived, before);
    bench.link.release('stall');
    bench.run();
    about(bench.last, 40 + 30 + 1000);
    bench.assertIntact();
  });

  test('a link moves again when the last reason to hold it is gone', () => {
    const bench = new Bench({ rate: 1_000_000 });
    bench.link.hold('stall');
    bench.push(1000);
    bench.clock.runUntil(10);
    bench.link.hold('congestion');
    bench.link.release('stall');
    bench.clock.runUntil(20);
    assert.equal(bench.arrived, 0);
    bench.link.release('congestion');
    bench.run();
    about(bench.last, 21);
  });

  test('a full queue is congested until it is half empty', () => {
    const bench = new Bench({ rate: 1_000_000, delay: 5, queue: 10_000 });
    bench.push(9999);
    assert.equal(bench.link.congested, false);
    bench.push(1);
    assert.equal(bench.link.congested, true);
    bench.clock.runUntil(4.9);
    assert.deepEqual(bench.room, []);
    bench.run();
    assert.equal(bench.room.length, 1);
    assert.ok(bench.room[0]! >= 5 && bench.room[0]! <= 6.5, `room at ${bench.room[0]}`);
    assert.equal(bench.link.congested, false);
  });

  test('by default 64 KiB may wait, or 50 ms at the rate', () => {
    const slow = new Bench({ rate: 1_000_000 });
    slow.push(65_535);
    assert.equal(slow.link.congested, false);
    slow.push(1);
    assert.equal(slow.link.congested, true);
    const fast = new Bench({ rate: 20_000_000 });
    fast.push(999_999);
    assert.equal(fast.link.congested, false);
    fast.push(1);
    assert.equal(fast.link.congested, true);
  });

  test('a held link without cap becomes congested too', () => {
    const bench = new Bench({ queue: 5000 });
    bench.link.hold('congestion');
    bench.push(6000);
    assert.equal(bench.link.congested, true);
    bench.link.release('congestion');
    bench.run();
    assert.equal(bench.link.congested, false);
    assert.equal(bench.room.length, 1);
    bench.assertIntact();
  });

  test('clear() forgets everything: bytes, memory and timers', () => {
    const bench = new Bench({ rate: 1_000_000, delay: 10, queue: 4000 });
    bench.push(5000);
    bench.clock.runUntil(3);
    bench.link.clear();
    assert.equal(bench.homeless, 0);
    assert.equal(bench.clock.pending, 0);
    assert.equal(bench.link.congested, false);
    bench.link.mark('rst');
    bench.run();
    assert.equal(bench.arrived, 0);
    about(bench.marks[0]!.at, 13);
  });

  test('a tick moves arrivals ahead, and leaves the rate as it is', () => {
    const bench = new Bench({ rate: 1_000_000, delay: 20 }, 1);
    for (let sent = 0; sent < 1000; sent += 1) {
      bench.push(1000);
      while (bench.link.congested) bench.clock.step();
    }
    bench.run();
    let sum = 0;
    for (const { at, bytes } of bench.arrivals) {
      sum += bytes.length;
      const early = sum / 1000 + 20 - at;
      assert.ok(early > -1e-3 && early < 1 + 1e-3, `${early} ms early`);
    }
    assert.equal(sum, 1_000_000);
  });

  test('timers that fire late, even later than the queue lasts, cost no throughput', () => {
    const clock = new VirtualClock();
    const late: Clock = {
      now: () => clock.now(),
      at: (deadline, fn) => clock.at(deadline + 150, fn),
      soon: (fn) => clock.soon(fn),
    };
    let arrived = 0;
    let last = 0;
    const link: Link = new Link(
      late,
      { rate: 1_000_000, delay: 10 },
      {
        onArrival: (chunk) => {
          arrived += chunk.length;
          last = clock.now();
        },
        onMark: () => {},
        onRoom: () => clock.at(clock.now() + 3, fill),
      },
    );
    let left = 5_000_000;
    const fill = (): void => {
      for (; left > 0 && !link.congested; left -= 10_000)
        link.push(new Chunk(new Uint8Array(10_000)));
    };
    fill();
    while (clock.step());
    assert.equal(arrived, 5_000_000);
    assert.ok(last >= 5010 && last < 5010 + 200, `the last byte arrived at ${last} ms`);
  });

  test('a source that pauses by itself gets no credit for it', () => {
    const bench = new Bench({ rate: 1_000_000, queue: 10_000 });
    bench.push(10_000);
    bench.run();
    assert.equal(bench.room.length, 1);
    bench.clock.runUntil(1000);
    bench.push(10_000);
    bench.run();
    about(bench.last, 1010);
    const small = new Bench({ rate: 1_000_000, queue: 4000 });
    small.push(4000);
    small.clock.runUntil(10);
    small.push(1000);
    small.run();
    about(small.last, 11);
  });

  test('a rate of 0 and a negative delay are refused', () => {
    for (const rate of [0, -1, Number.NaN]) assert.throws(() => new Bench({ rate }), RangeError);
    for (const delay of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => new Bench({ delay }), RangeError);
    }
  });

  test('property: the last byte of a chunk arrives when the recurrence says', () => {
    const pushes = fc.array(
      fc.record({
        gap: fc.double({ min: 0, max: 8, noNaN: true }),
        size: fc.integer({ min: 1, max: 9000 }),
      }),
      { minLength: 1, maxLength: 40 },
    );
    const rates = fc.integer({ min: 1000, max: 20_000_000 });
    fc.assert(
      fc.property(pushes, rates, fc.integer({ min: 0, max: 300 }), (sizes, rate, delay) => {
        const bench = new Bench({ rate, delay });
        let departure = 0;
        let total = 0;
        const expected = sizes.map(({ gap, size }) => {
          bench.clock.runUntil(bench.clock.now() + gap);
          bench.push(size);
          departure = Math.max(departure, bench.clock.now()) + size / (rate / 1000);
          total += size;
          return { total, at: departure + delay };
        });
        bench.run();
        let sum = 0;
        const timeOf = new Map(
          bench.arrivals.map(({ at, bytes }) => {
            sum += bytes.length;
            return [sum, at];
          }),
        );
        for (const { total, at } of expected) about(timeOf.get(total)!, at);
        bench.assertIntact();
      }),
    );
  });

  test('property: holds and new rates lose and reorder nothing', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('push' as const), n: fc.integer({ min: 1, max: 20_000 }) }),
      fc.record({
        do: fc.constant('rate' as const),
        n: fc.integer({ min: 20_000, max: 5_000_000 }),
      }),
      fc.record({ do: fc.constant('uncap' as const), n: fc.constant(0) }),
      fc.record({ do: fc.constant('hold' as const), n: fc.integer({ min: 0, max: 2 }) }),
      fc.record({ do: fc.constant('release' as const), n: fc.integer({ min: 0, max: 2 }) }),
      fc.record({ do: fc.constant('wait' as const), n: fc.integer({ min: 0, max: 50 }) }),
    );
    const parameters = fc.record({
      rate: fc.integer({ min: 20_000, max: 5_000_000 }),
      delay: fc.integer({ min: 0, max: 40 }),
      queue: fc.integer({ min: 1, max: 100_000 }),
    });
    fc.assert(
      fc.property(parameters, fc.array(step, { maxLength: 60 }), (some, steps) => {
        const bench = new Bench(some);
        for (const { do: what, n } of steps) {
          if (what === 'push' && !bench.link.congested) bench.push(n);
          else if (what === 'rate') bench.link.setRate(n);
          else if (what === 'uncap') bench.link.setRate(Number.POSITIVE_INFINITY);
          else if (what === 'hold') bench.link.hold(`${n}`);
          else if (what === 'release') bench.link.release(`${n}`);
          else if (what === 'wait') bench.clock.runUntil(bench.clock.now() + n);
        }
        for (const reason of ['0', '1', '2']) bench.link.release(reason);
        bench.run();
        bench.assertIntact();
        assert.equal(bench.link.congested, false);
        assert.equal(bench.clock.pending, 0);
        const times = bench.arrivals.map(({ at }) => at);
        assert.deepEqual(
          times,
          [...times].sort((a, b) => a - b),
        );
      }),
    );
  });
});
