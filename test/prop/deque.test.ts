import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Deque } from '../../src/data/deque.ts';

test('a deque is an array', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant('push' as const) },
    { weight: 3, arbitrary: fc.constant('unshift' as const) },
    { weight: 4, arbitrary: fc.constant('shift' as const) },
    { weight: 1, arbitrary: fc.constant('clear' as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const deque = new Deque<number>();
      const twin: number[] = [];
      steps.forEach((action, item) => {
        if (action === 'push') {
          deque.push(item);
          twin.push(item);
        } else if (action === 'unshift') {
          deque.unshift(item);
          twin.unshift(item);
        } else if (action === 'shift') {
          assert.equal(deque.shift(), twin.shift());
        } else {
          deque.clear();
          twin.length = 0;
        }
        assert.equal(deque.length, twin.length);
        assert.equal(deque.first, twin[0]);
        assert.equal(deque.last, twin.at(-1));
      });
      assert.deepEqual([...deque], twin);
      for (let index = -1; index <= twin.length; index += 1) {
        assert.equal(deque.at(index), index < 0 ? undefined : twin[index]);
      }
    }),
    { numRuns: 200 },
  );
});
