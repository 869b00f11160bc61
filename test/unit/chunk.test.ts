import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bug } from '../../src/core/assert.ts';
import { Chunk, Slab } from '../../src/core/chunk.ts';

function slabOf(size: number): { slab: Slab; homecomings: () => number } {
  let count = 0;
  const slab = new Slab(
    Uint8Array.from({ length: size }, (_, at) => at),
    () => {
      count += 1;
    },
  );
  return { slab, homecomings: () => count };
}

test('a slab comes home with its last reference, whoever holds it', () => {
  const { slab, homecomings } = slabOf(100);
  const chunk = new Chunk(slab.bytes.subarray(10, 50), slab);
  const head = chunk.slice(0, 10);
  const tail = chunk.slice(10, 40);
  assert.equal(slab.isSole, false);
  chunk.release();
  head.release();
  assert.equal(slab.isSole, true);
  assert.equal(homecomings(), 0);
  assert.deepEqual(tail.bytes, slab.bytes.subarray(20, 50));
  tail.release();
  assert.equal(homecomings(), 1);
});

test('a release too many is a bug of ours', () => {
  const { slab } = slabOf(4);
  slab.release();
  assert.throws(() => slab.release(), Bug);
});

test('a slab that was handed out again starts anew', () => {
  const { slab, homecomings } = slabOf(4);
  assert.throws(() => slab.revive(), Bug);
  slab.release();
  slab.revive();
  assert.equal(slab.isSole, true);
  slab.release();
  assert.equal(homecomings(), 2);
});

test('a slice is over the same memory, and has headroom only at the start', () => {
  const { slab } = slabOf(100);
  const chunk = new Chunk(slab.bytes.subarray(16, 64), slab, 16);
  assert.equal(chunk.slice(0, 5).headroom, 16);
  assert.equal(chunk.slice(1, 5).headroom, 0);
  assert.equal(chunk.slice(0, 5).bytes.buffer, slab.bytes.buffer);
  assert.equal(chunk.slice(3, 3).length, 0);
});

test('a shared chunk is over the same memory, and has no headroom', () => {
  const { slab, homecomings } = slabOf(100);
  const chunk = new Chunk(slab.bytes.subarray(16, 64), slab, 16);
  const shared = chunk.share();
  assert.equal(shared.headroom, 0);
  assert.deepEqual(shared.bytes, chunk.bytes);
  chunk.release();
  assert.equal(homecomings(), 0);
  shared.release();
  assert.equal(homecomings(), 1);
});

test('room for a header lies right before the bytes, and costs a reference', () => {
  const { slab, homecomings } = slabOf(100);
  const chunk = new Chunk(slab.bytes.subarray(16, 64), slab, 16);
  const framed = chunk.withRoom(16);
  assert.equal(framed.length, 64);
  assert.equal(framed.headroom, 0);
  framed.bytes.fill(0xee, 0, 16);
  assert.deepEqual([...slab.bytes.subarray(14, 18)], [0xee, 0xee, 16, 17]);
  assert.throws(() => chunk.withRoom(17), Bug);
  chunk.release();
  assert.equal(homecomings(), 0);
  framed.release();
  assert.equal(homecomings(), 1);
});

test('a chunk pins its whole slab, or its own bytes', () => {
  const { slab } = slabOf(100);
  assert.equal(new Chunk(slab.bytes.subarray(0, 1), slab).pinned, 100);
  const own = new Chunk(new Uint8Array(7));
  assert.equal(own.pinned, 7);
  // Without a slab there is nothing to give back.
  own.release();
  own.release();
});
