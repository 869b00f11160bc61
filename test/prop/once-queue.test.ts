import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OnceQueue } from '../../src/data/once-queue.ts';

const ITEMS = 40;

test('a queue of items that wait once is a Set, also for items that wait in another one too', () => {
  const item = fc.nat(ITEMS - 1);
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ verb: fc.constant('push' as const), item }) },
    { weight: 4, arbitrary: fc.record({ verb: fc.constant('delete' as const), item }) },
    { weight: 2, arbitrary: fc.record({ verb: fc.constant('shift' as const), item }) },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1), step), { maxLength: 400, size: 'max' }), (steps) => {
      const items = Array.from({ length: ITEMS }, (_, name) => ({ name, waits: 0 }));
      const queues = [0, 14].map((number) => ({
        queue: new OnceQueue<(typeof items)[number]>(number),
        twin: new Set<(typeof items)[number]>(),
      }));
      for (const [which, { verb, item: name }] of steps) {
        const { queue, twin } = queues[which]!;
        const subject = items[name]!;
        if (verb === 'push') {
          queue.push(subject);
          twin.add(subject);
        } else if (verb === 'delete') {
          queue.delete(subject);
          twin.delete(subject);
        } else {
          const [first] = twin;
          assert.equal(queue.shift(), first);
          if (first !== undefined) twin.delete(first);
        }
        assert.equal(queue.size, twin.size);
        for (const each of items) assert.equal(queue.has(each), twin.has(each));
      }
      for (const { queue, twin } of queues) {
        for (const each of twin) assert.equal(queue.shift(), each);
        assert.equal(queue.shift(), undefined);
      }
      assert.ok(items.every(({ waits }) => waits === 0));
    }),
    { numRuns: 200 },
  );
});
