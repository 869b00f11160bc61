import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReceiveWindow } from '../../src/protocol/receive-window.ts';

const RTT = 20;
/** A window's own measure of "fast": four round trips, at least 600 ms. */
const FAST = 600;

test('limits only rise, the peer is never more than a window ahead, and never waits for a quarter', () => {
  const step = fc.record({
    /** Parts of what the peer may still send that the application takes. */
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    most: fc.integer({ min: 1, max: 1 << 20 }),
    elapsed: fc.integer({ min: 0, max: 500 }),
    isTold: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(step, { maxLength: 60, size: 'max' }),
      (size, steps) => {
        const window = new ReceiveWindow(size);
        let now = 1_000_000;
        let consumed = 0;
        for (const { share, most, elapsed, isTold } of steps) {
          const before = { size: window.size, limit: window.limit };
          now += elapsed;
          const bytes = Math.floor((window.limit - consumed) * share);
          consumed += bytes;
          const isDue = window.consume(bytes);
          assert.equal(window.consumed, consumed);
          assert.equal(isDue, window.isStale);
          // Whatever the peer may send, it hears of more before it has to stop.
          if (consumed === window.limit) assert.ok(isDue, 'a used-up limit is stale');
          const wanted = window.isHalfUsed(now) ? window.wanted(most, RTT, now) : before.size;
          assert.ok(wanted >= before.size && wanted <= Math.max(before.size, most));
          assert.ok(wanted <= 2 * before.size);
          window.grow(wanted);
          assert.equal(window.size, wanted);
          if (isTold) {
            const limit = window.advance();
            assert.equal(limit, window.limit);
            assert.equal(limit, consumed + window.size);
            assert.ok(!window.isStale);
          }
          assert.ok(window.limit >= before.limit, 'a limit never falls');
          assert.ok(window.limit - consumed <= window.size);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('a reader that takes half a window within a few round trips gets a larger one, others do not', () => {
  const size = fc.integer({ min: 2, max: 1 << 20 }).map((half) => half * 2);
  fc.assert(
    fc.property(size, fc.nat(1_000), fc.nat(1e9), (first, pause, start) => {
      const window = new ReceiveWindow(first);
      // The first byte starts the clock.
      window.consume(1);
      assert.equal(window.isHalfUsed(start), false);
      window.consume(first / 2 - 1);
      assert.equal(window.isHalfUsed(start + pause), true);
      const wanted = window.wanted(Number.POSITIVE_INFINITY, RTT, start + pause);
      assert.equal(wanted, pause < FAST ? 2 * first : first);
    }),
    { numRuns: 100 },
  );
});

test('a peer is told of a quarter of a large window, of half of a small one, and of 64 KiB in between', () => {
  for (const [size, step] of [
    [32 * 1024, 16 * 1024],
    [113 * 1024, 56.5 * 1024],
    [200 * 1024, 64 * 1024],
    [1024 * 1024, 256 * 1024],
  ] as const) {
    const window = new ReceiveWindow(size);
    assert.equal(window.consume(step - 1), false);
    assert.equal(window.consume(1), true);
  }
});
