import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IdSet } from '../../src/data/id-set.ts';

test('an id set is a set, and counts what it leaves out', () => {
  const ids = fc.array(fc.nat(120), { maxLength: 150, size: 'max' });
  fc.assert(
    fc.property(fc.nat(3), ids, (first, offsets) => {
      const set = new IdSet(first);
      const twin = new Set<number>();
      for (const offset of offsets) {
        const id = first + offset;
        const highest = Math.max(first - 1, ...twin);
        assert.equal(set.gapsBefore(id), Math.max(0, id - highest - 1));
        const before = set.gaps;
        const made = set.gapsBefore(id);
        const fills = id < highest && !twin.has(id) ? 1 : 0;
        set.add(id);
        twin.add(id);
        assert.equal(set.gaps, before + made - fills);
        for (let other = first; other <= first + 125; other += 1) {
          assert.equal(set.has(other), twin.has(other), `id ${other}`);
        }
      }
    }),
    { numRuns: 150 },
  );
});
