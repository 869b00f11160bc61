import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { Awake } from '../../src/loop/awake.ts';

test('the loop turns without rest from begin() to end()', async () => {
  const awake = new Awake();
  await assertAsleep();
  awake.begin();
  await turnsIn(20);
  const turns = await turnsIn(60);
  awake.end();
  assert.ok(turns > 500, `${turns} turns while awake`);
  await assertAsleep();
});

test('several keep it awake together, until the last one ends', async () => {
  const [one, other] = [new Awake(), new Awake()];
  one.begin();
  other.begin();
  one.end();
  await turnsIn(5);
  const turns = await turnsIn(30);
  other.end();
  assert.ok(turns > 250, `${turns} turns while one is awake`);
  await assertAsleep();
});

test('where the parts of an immediate are not to be had, one immediate at a time does the same', async (t) => {
  const inside = t.mock.method(Object, 'getOwnPropertySymbols', () => []);
  const awake = new Awake();
  inside.mock.restore();
  const setOff = t.mock.method(globalThis, 'setImmediate');
  awake.begin();
  awake.end();
  awake.begin();
  await turnsIn(10);
  const calls = setOff.mock.callCount();
  const turns = await turnsIn(30);
  const perTurn = (setOff.mock.callCount() - calls) / turns;
  awake.end();
  setOff.mock.restore();
  assert.ok(turns > 250, `${turns} turns while awake`);
  assert.ok(perTurn < 1.5, `${perTurn} immediates per turn`);
  await assertAsleep();
});

/** Most stretches of 20 ms have few turns; threads of Node's own wake the loop up at times. */
async function assertAsleep(): Promise<void> {
  await turnsIn(20);
  const turns: number[] = [];
  while (turns.length < 5) turns.push(await turnsIn(20));
  assert.ok(turns.toSorted((a, b) => a - b)[2]! < 20, `${turns} turns in 20 ms each`);
}

/** How often the event loop turns in so many ms. */
async function turnsIn(ms: number): Promise<number> {
  const before = loopCount();
  await new Promise((resolve) => setTimeout(resolve, ms));
  return loopCount() - before;
}

function loopCount(): number {
  return performance.nodeTiming.uvMetricsInfo.loopCount;
}
