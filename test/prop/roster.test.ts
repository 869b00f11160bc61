import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Roster, type Seat } from '../../src/data/roster.ts';

test('a roster holds what was added and not removed', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 2, arbitrary: fc.nat(100) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const roster = new Roster<number>();
      const twin = new Set<number>();
      const seats: Seat<number>[] = [];
      steps.forEach((removed, item) => {
        if (removed === null) {
          seats.push(roster.add(item));
          twin.add(item);
        } else {
          const seat = seats[removed % Math.max(1, seats.length)];
          // Also seats that were removed before.
          if (seat !== undefined) assert.equal(roster.remove(seat), twin.delete(seat.item));
        }
        assert.equal(roster.size, twin.size);
      });
      const rising = (items: Iterable<number>) => [...items].toSorted((a, b) => a - b);
      assert.deepEqual(rising(roster), [...twin]);
      assert.deepEqual(rising(roster.takeAll()), [...twin]);
      assert.equal(roster.size, 0);
      for (const seat of seats) assert.equal(roster.remove(seat), false);
    }),
    { numRuns: 200 },
  );
});
