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

test('who waits is told once, when something is free again, and not after it was forgotten', () => {
  const budget = new Budget(100);
  const told: string[] = [];
  const [first, second, gone] = ['first', 'second', 'gone'].map((name) => () => {
    told.push(name);
  });
  budget.take(150);
  for (const waiter of [first!, first!, second!, gone!]) budget.wait(waiter);
  budget.forget(gone!);
  budget.give(50);
  assert.deepEqual(told, [], 'nothing is free yet');
  budget.give(1);
  assert.deepEqual(told, ['first', 'second']);
  budget.give(1);
  assert.deepEqual(told, ['first', 'second']);
});
