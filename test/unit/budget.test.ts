import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Budget } from '../../src/data/budget.ts';

test('what is taken is used, what is given back is free, and free is never negative', () => {
  const budget = new Budget(100);
  budget.take(70);
  assert.deepEqual([budget.used, budget.free], [70, 30]);
  budget.take(50);
  assert.deepEqual([budget.used, budget.free], [120, 0]);
  budget.give(120);
  assert.deepEqual([budget.used, budget.free, budget.limit], [0, 100, 100]);
});
