import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Place, Roster } from '../../src/data/roster.ts';

test('a roster holds what was added and not removed', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 2, arbitrary: fc.nat(100) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const roster = new Roster<number>();
      const twin = new Set<number>();
      const places: Place<number>[] = [];
      steps.forEach((removed, item) => {
        if (removed === null) {
          places.push(roster.add(item));
          twin.add(item);
        } else {
          const place = places[removed % Math.max(1, places.length)];
          // Also places that were removed before.
          if (place !== undefined) assert.equal(roster.remove(place), twin.delete(place.item));
        }
        assert.equal(roster.size, twin.size);
      });
      const rising = (items: Iterable<number>) => [...items].toSorted((a, b) => a - b);
      assert.deepEqual(rising(roster), [...twin]);
      assert.deepEqual(rising(roster.takeAll()), [...twin]);
      assert.equal(roster.size, 0);
      for (const place of places) assert.equal(roster.remove(place), false);
    }),
    { numRuns: 200 },
  );
});
