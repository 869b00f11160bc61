import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../src/app/backoff.ts';

/** The shortest and the longest pause. */
function range(backoff: Backoff, now: number): [number, number] {
  return [backoff.pause(0, now), backoff.pause(1, now)];
}

test('a first try is made at once; each failure doubles the pause, up to a second', () => {
  const backoff = new Backoff();
  assert.deepEqual(range(backoff, 0), [0, 0]);
  const longest = Array.from({ length: 6 }, () => {
    backoff.onFailure(0);
    return backoff.pause(1, 0);
  });
  assert.deepEqual(longest, [100, 200, 400, 800, 1_000, 1_000]);
  assert.deepEqual(range(backoff, 0), [500, 1_000]);
});

test('after a minute of failures, pauses grow on to ten seconds', () => {
  const backoff = new Backoff();
  for (let now = 0; now <= 60_000; now += 1_000) backoff.onFailure(now);
  assert.equal(backoff.pause(1, 60_000), 1_000);
  const longest = [61_000, 62_000, 64_000, 68_000, 76_000].map((now) => {
    backoff.onFailure(now);
    return backoff.pause(1, now);
  });
  assert.deepEqual(longest, [2_000, 4_000, 8_000, 10_000, 10_000]);
});

test('a success that lasts for a second ends the failures, from then on', () => {
  const backoff = new Backoff();
  for (let now = 0; now <= 69_000; now += 1_000) backoff.onFailure(now);
  backoff.onSuccess(69_100);
  assert.deepEqual(range(backoff, 70_099), [3_901, 8_901]);
  assert.deepEqual(range(backoff, 70_100), [0, 0]);
  // What fails beside it counts anew.
  backoff.onFailure(70_200);
  backoff.onFailure(79_000);
  assert.deepEqual(range(backoff, 79_000), [100, 200]);
});

test('a success that does not last is one more failure; one that did is none', () => {
  const backoff = new Backoff();
  backoff.onFailure(0);
  backoff.onSuccess(100);
  backoff.onEnd(1_099);
  assert.deepEqual(range(backoff, 1_099), [100, 200]);
  backoff.onSuccess(1_200);
  backoff.onEnd(2_200);
  assert.deepEqual(range(backoff, 2_200), [0, 0]);
});

test('a pause is counted from its failure, and a minute without one ends the failures', () => {
  const backoff = new Backoff();
  for (let count = 0; count < 3; count += 1) backoff.onFailure(0);
  assert.deepEqual(range(backoff, 150), [50, 250]);
  assert.deepEqual(range(backoff, 400), [0, 0]);
  backoff.onFailure(60_000);
  assert.deepEqual(range(backoff, 60_000), [400, 800]);
  backoff.onFailure(120_001);
  assert.deepEqual(range(backoff, 120_001), [50, 100]);
});
