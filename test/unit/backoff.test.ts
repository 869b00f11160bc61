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
  for (let count = 0; count < 6; count += 1) backoff.onFailure(0);
  backoff.onSuccess(500);
  assert.deepEqual(range(backoff, 1_499), [500, 1_000]);
  assert.deepEqual(range(backoff, 1_500), [0, 0]);
  // What fails beside it counts anew.
  backoff.onFailure(1_600);
  backoff.onFailure(9_000);
  assert.deepEqual(range(backoff, 9_000), [100, 200]);
});

test('a success that does not last is one more failure; one that did is none', () => {
  const backoff = new Backoff();
  backoff.onFailure(0);
  backoff.onSuccess(100);
  backoff.onEnd(1_099);
  assert.deepEqual(range(backoff, 60_000), [100, 200]);
  backoff.onSuccess(60_000);
  backoff.onEnd(61_000);
  assert.deepEqual(range(backoff, 61_000), [0, 0]);
});
