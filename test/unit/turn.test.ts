import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turn } from '../../src/loop/turn.ts';

test('what is put off in one turn is done in its order, what that puts off in the next', async () => {
  const done: string[] = [];
  const note = (word: string) => () => done.push(`${word} ${turn.mark() - start}`);
  const start = turn.mark();
  await new Promise<void>((resolve) => {
    turn.atEnd(() => {
      note('a')();
      turn.atEnd(note('c'));
      turn.atEnd(note('d'));
      turn.atEnd(() => resolve());
    });
    turn.atEnd(note('b'));
  });
  assert.deepEqual(done, ['a 1', 'b 1', 'c 2', 'd 2']);
});

test('a lone end that puts off two more leaves both to the next turn', async () => {
  const done: number[] = [];
  const start = turn.mark();
  await new Promise<void>((resolve) => {
    turn.atEnd(() => {
      turn.atEnd(() => done.push(turn.mark() - start));
      turn.atEnd(() => resolve());
      done.push(turn.mark() - start);
    });
  });
  assert.deepEqual(done, [1, 2]);
});

test('a turn in which nothing was put off has its own number', async () => {
  const before = turn.mark();
  assert.equal(turn.mark(), before);
  await new Promise((resolve) => setImmediate(resolve));
  assert.notEqual(turn.mark(), before);
});
