import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk } from '../../src/core/chunk.ts';
import { tlsPair } from '../laws/pairs.ts';

test('bulk that comes over TLS lies in slabs, a write in few chunks', async () => {
  const size = 300_000;
  const { a, b, close } = await tlsPair();
  const came: { length: number; isPooled: boolean }[] = [];
  await new Promise<void>((resolve, reject) => {
    const deaf = { onFin() {}, onDrain() {}, onFinSent() {}, onBroken: reject };
    a.attach({ ...deaf, onChunk: (chunk) => chunk.release() });
    b.attach({
      ...deaf,
      onChunk(chunk) {
        came.push({ length: chunk.length, isPooled: chunk.isPooled });
        chunk.release();
        if (came.reduce((sum, { length }) => sum + length, 0) === size) resolve();
      },
    });
    b.resume();
    assert.ok(a.send(new Chunk(new Uint8Array(size))));
  });
  a.abort();
  b.abort();
  await close();
  const pooled = came.filter(({ isPooled }) => isPooled);
  const bytes = pooled.reduce((sum, { length }) => sum + length, 0);
  assert.ok(bytes > 0.9 * size, `${bytes} of ${size} bytes in slabs`);
  assert.ok(came.length < size / (32 * 1024), `${came.length} chunks`);
});

test('a TLS pipe may be aborted in the moment in which it is made', async () => {
  // TLS is still at work on the stack then. What breaks this ends the process, not the test alone.
  for (let times = 0; times < 20; times += 1) {
    const { a, b, close } = await tlsPair();
    a.abort();
    b.abort();
    await close();
  }
});
