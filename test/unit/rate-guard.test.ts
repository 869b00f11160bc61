import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateGuard } from '../../src/data/rate-guard.ts';

test('so many events in a period, then none until the next', () => {
  const guard = new RateGuard(3, 100);
  const answers = [5_000, 5_010, 5_020, 5_030, 5_099.9].map((now) => guard.allow(now));
  assert.deepEqual(answers, [true, true, true, false, false]);
  assert.deepEqual(
    [5_100, 5_150, 5_199, 5_199].map((now) => guard.allow(now)),
    [true, true, true, false],
  );
});
