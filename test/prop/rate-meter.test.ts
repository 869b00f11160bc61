import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RateMeter } from '../../src/data/rate-meter.ts';

const LONGEST = 4_000;
/** The meter keeps no sample closer than this to the last one, ms. */
const GRAIN = LONGEST / 64;

interface Delivery {
  readonly elapsed: number;
  readonly bytes: number;
}

/** The twin keeps every delivery: the measured time and the bytes after each. */
function prefixes(list: readonly Delivery[]): { time: number; bytes: number }[] {
  let time = 0;
  let bytes = 0;
  const after = list.map((delivery) => {
    time += delivery.elapsed;
    bytes += delivery.bytes;
    return { time, bytes };
  });
  return [{ time: 0, bytes: 0 }, ...after];
}

const deliveries = fc.array(
  fc.record({
    elapsed: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 600 })),
    bytes: fc.nat(1_000_000),
  }),
  { minLength: 1, maxLength: 200, size: 'max' },
);

test('a rate is what was delivered over a window that reaches back as far as asked, or a sample more', () => {
  fc.assert(
    fc.property(deliveries, fc.integer({ min: 1, max: LONGEST }), (list, window) => {
      const meter = new RateMeter(LONGEST);
      for (const { elapsed, bytes } of list) meter.add(elapsed, bytes);
      const all = prefixes(list);
      const now = all.at(-1)!;
      assert.equal(meter.measured, now.time);
      if (now.time === 0) return assert.equal(meter.rate(window), 0);
      // The window starts at some sample: not later than asked for, and less than a grain earlier
      // than the last delivery that is as old (before which there may be a silence of any length).
      const latest = Math.max(0, now.time - window);
      const old = all.filter(({ time }) => time <= latest);
      const earliest = old.at(-1)!.time - GRAIN;
      const rates = old
        .filter(({ time }) => time > earliest)
        .map(({ time, bytes }) => (now.bytes - bytes) / (now.time - time));
      const rate = meter.rate(window);
      assert.ok(
        rates.some((candidate) => Math.abs(candidate - rate) <= 1e-9 * Math.max(1, candidate)),
        `${rate} is none of ${rates.join(', ')}`,
      );
    }),
    { numRuns: 300 },
  );
});

test('after a reset nothing of the past is left', () => {
  fc.assert(
    fc.property(deliveries, deliveries, (before, after) => {
      const used = new RateMeter(LONGEST);
      const fresh = new RateMeter(LONGEST);
      for (const { elapsed, bytes } of before) used.add(elapsed, bytes);
      used.reset();
      for (const { elapsed, bytes } of after) {
        used.add(elapsed, bytes);
        fresh.add(elapsed, bytes);
      }
      for (const window of [1, 200, 1_000, LONGEST]) {
        assert.equal(used.rate(window), fresh.rate(window));
      }
    }),
    { numRuns: 50 },
  );
});
