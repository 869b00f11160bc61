import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';

test('deadlines fire in order of time, equal ones in order of setting, cancelled ones never', () => {
  const entry = fc.record({ at: fc.nat(20), isCancelled: fc.boolean() });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 60, size: 'max' }), (entries) => {
      const clock = new VirtualClock();
      const fired: number[] = [];
      entries.forEach(({ at, isCancelled }, index) => {
        const timer = clock.at(at, () => {
          assert.equal(clock.now(), at);
          fired.push(index);
        });
        if (isCancelled) timer.cancel();
      });
      const expected = entries
        .map((given, index) => ({ ...given, index }))
        .filter(({ isCancelled }) => !isCancelled)
        .sort((a, b) => a.at - b.at || a.index - b.index)
        .map(({ index }) => index);
      assert.equal(clock.pending, expected.length);
      while (clock.step());
      assert.deepEqual(fired, expected);
      assert.equal(clock.pending, 0);
    }),
  );
});

test('time stops where it was told to, and what a deadline sets in it fires in it', () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  clock.at(10, () => {
    fired.push(`a ${clock.now()}`);
    clock.at(15, () => fired.push(`b ${clock.now()}`));
    clock.at(3, () => fired.push(`late ${clock.now()}`));
    clock.soon(() => fired.push(`soon ${clock.now()}`));
    clock.at(21, () => fired.push('never'));
  });
  clock.runUntil(20);
  assert.deepEqual(fired, ['a 10', 'late 10', 'soon 10', 'b 15']);
  assert.equal(clock.now(), 20);
  assert.equal(clock.pending, 1);
});

test('nothing is called from inside at() or soon()', () => {
  const clock = new VirtualClock();
  let calls = 0;
  clock.at(-5, () => calls++);
  clock.soon(() => calls++);
  assert.equal(calls, 0);
  clock.runUntil(0);
  assert.equal(calls, 2);
});

test('a cancelled deadline may be cancelled again, and after it has fired', () => {
  const clock = new VirtualClock();
  let calls = 0;
  const timer = clock.at(1, () => calls++);
  while (clock.step());
  timer.cancel();
  timer.cancel();
  assert.equal(calls, 1);
});
