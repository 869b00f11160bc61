import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/core/units.ts';

test('a size that is written is read back within a thousandth', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
      assert.ok(Math.abs(parseSize(formatSize(bytes)) - bytes) <= bytes / 1000 + 1);
    }),
  );
});

test('a whole number of binary units is read back exactly', () => {
  const units = fc.constantFrom(1, 2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1023 }), units, (count, unit) => {
      assert.equal(parseSize(formatSize(count * unit)), count * unit);
    }),
  );
});

test('a duration that is written is read back within a thousandth', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2_073_600_000 }), (ms) => {
      assert.ok(Math.abs(parseDuration(formatDuration(ms)) - ms) <= ms / 1000 + 1);
    }),
  );
});
