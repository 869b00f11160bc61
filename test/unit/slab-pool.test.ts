import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Slab } from '../../src/core/chunk.ts';
import { HUGE_SLAB, LARGE_SLAB, SlabPool, SMALL_SLAB } from '../../src/data/slab-pool.ts';

const MiB = 1024 * 1024;

function makePool(budget: number, poison?: number): { pool: SlabPool; sizes: number[] } {
  const sizes: number[] = [];
  const allocate = (size: number): Uint8Array => {
    sizes.push(size);
    return new Uint8Array(size);
  };
  return {
    pool: new SlabPool({ allocate, budget, ...(poison === undefined ? {} : { poison }) }),
    sizes,
  };
}

test('slabs are large while memory is plentiful, small above a quarter of the budget, none above it', () => {
  const { pool } = makePool(8 * MiB);
  const slabs = [];
  for (let slab = pool.take(); slab !== null; slab = pool.take()) slabs.push(slab);
  const large = slabs.filter((slab) => slab.bytes.length === LARGE_SLAB).length;
  const small = slabs.filter((slab) => slab.bytes.length === SMALL_SLAB).length;
  assert.equal(large, 2);
  assert.equal(small, 96);
  assert.equal(pool.outBytes, 8 * MiB);
  for (const slab of slabs) slab.release();
  assert.equal(pool.outBytes, 0);
});

test('who wants it gets huge slabs, until an eighth of the budget is out', () => {
  const { pool } = makePool(128 * MiB);
  const slabs: Slab[] = [];
  const sizes = (): number[] => [...new Set(slabs.map((slab) => slab.bytes.length))];
  for (let slab = pool.take(HUGE_SLAB); slab !== null; slab = pool.take(HUGE_SLAB))
    slabs.push(slab);
  const counts = [HUGE_SLAB, LARGE_SLAB].map(
    (size) => slabs.filter((slab) => slab.bytes.length === size).length,
  );
  assert.deepEqual(counts, [4, 16]);
  assert.equal(pool.outBytes, 128 * MiB);
  assert.deepEqual(sizes(), [HUGE_SLAB, LARGE_SLAB, SMALL_SLAB]);
  releaseAll(slabs);
  slabs.push(...takeMany(pool, 4));
  assert.deepEqual(sizes(), [LARGE_SLAB], 'nobody gets one unasked');
});

test('a huge slab is claimed whole, and one that is partly filled waits for others', () => {
  const { pool } = makePool(128 * MiB);
  const partly = pool.claim(HUGE_SLAB);
  assert.equal(partly?.slab.bytes.length, HUGE_SLAB);
  partly.slab.retain(); // a chunk lies in it
  partly.at = 100_000;
  pool.giveBack(partly);
  const whole = pool.claim(HUGE_SLAB);
  assert.equal(whole?.slab.bytes.length, HUGE_SLAB);
  assert.equal(whole.at, 0);
  const rest = pool.claim();
  assert.equal(rest?.slab, partly.slab);
  pool.giveBack(rest);
  partly.slab.release();
  pool.giveBack(whole);
  assert.equal(pool.outBytes, 0);
});

test('with little memory, who wants a huge slab gets a large or a small one', () => {
  const large = makePool(16 * MiB).pool.claim(HUGE_SLAB);
  assert.equal(large?.slab.bytes.length, LARGE_SLAB);
  const small = makePool(2 * MiB).pool.claim(HUGE_SLAB);
  assert.equal(small?.slab.bytes.length, SMALL_SLAB);
});

test('a thousand holders stay within the budget', () => {
  const { pool } = makePool(64 * MiB);
  const slabs = Array.from({ length: 1000 }, () => pool.take()).filter((slab) => slab !== null);
  assert.ok(slabs.length > 500, `${slabs.length} got a slab`);
  assert.ok(pool.outBytes <= 64 * MiB);
  for (const slab of slabs) slab.release();
});

function takeMany(pool: SlabPool, count: number): Slab[] {
  return Array.from({ length: count }, () => pool.take()).filter((slab) => slab !== null);
}

function releaseAll(slabs: Slab[]): void {
  for (const slab of slabs.splice(0)) slab.release();
}

test('slabs are used again: what may be large, and as much as is out, is kept', () => {
  const { pool, sizes } = makePool(64 * MiB);
  const fresh = (): number => sizes.splice(0).reduce((sum, size) => sum + size, 0);
  // One transfer fills its windows and empties them, again and again.
  const large = takeMany(pool, 15);
  assert.equal(fresh(), 15 * LARGE_SLAB);
  releaseAll(large);
  assert.equal(takeMany(pool, 15).length, 15);
  assert.equal(fresh(), 0);
  // A crowd takes all there is. The 15 are still out when it goes.
  const crowd = takeMany(pool, 2000);
  assert.equal(pool.outBytes, 64 * MiB);
  assert.equal(fresh(), 64 * MiB - 15 * LARGE_SLAB);
  releaseAll(crowd);
  const again = takeMany(pool, 2000);
  assert.equal(fresh(), 64 * MiB - 15 * LARGE_SLAB - (16 * MiB + 15 * LARGE_SLAB));
  releaseAll(again);
});

test('what is kept makes way for what is out: both together stay within the budget', () => {
  const { pool } = makePool(64 * MiB);
  const large = takeMany(pool, 15);
  const crowd = takeMany(pool, 2000);
  releaseAll(large);
  // The pool asserts it by itself, whatever is taken and brought home.
  assert.doesNotThrow(() => crowd.push(...takeMany(pool, 2000)));
  assert.equal(pool.outBytes, 64 * MiB);
  assert.doesNotThrow(() => releaseAll(crowd));
});

test('slabs of a size that is not wanted any more make way for those that are', () => {
  const { pool, sizes } = makePool(64 * MiB);
  // The crowd takes small ones, too, which fill all the room there is at home.
  releaseAll(takeMany(pool, 1000).reverse());
  const crowd = sizes.length;
  for (let round = 0; round < 10; round += 1) releaseAll(takeMany(pool, 6));
  assert.ok(sizes.length - crowd <= 6, `${sizes.length - crowd} fresh slabs for 6 at a time`);
});

test('a slab is open to one filling at a time, and its rest serves the next one', () => {
  const { pool } = makePool(4 * MiB);
  const first = pool.claim();
  const second = pool.claim();
  assert.ok(first !== null && second !== null);
  assert.notEqual(first.slab, second.slab);
  first.slab.retain(); // a chunk lies in it
  first.at = 100_000;
  pool.giveBack(first);
  pool.giveBack(second);
  assert.equal(pool.outBytes, LARGE_SLAB, 'the second went home');
  const third = pool.claim();
  assert.equal(third?.slab, first.slab);
  assert.equal(third?.at, 100_000);
  pool.giveBack(first);
  first.slab.release();
  assert.equal(pool.outBytes, 0, 'an open slab without chunks counts as home');
});

test('a slab that nobody else uses is filled from its start', () => {
  const { pool } = makePool(4 * MiB);
  const filling = pool.claim();
  assert.ok(filling !== null);
  filling.at = LARGE_SLAB;
  assert.equal(filling.makeRoom(), true);
  assert.equal(filling.at, 0);
  filling.slab.retain();
  filling.at = LARGE_SLAB - SMALL_SLAB + 1;
  assert.equal(filling.makeRoom(), false);
  filling.slab.release();
  pool.giveBack(filling);
});

test('with poison, what comes home and what is filled again is overwritten', () => {
  const { pool } = makePool(4 * MiB, 0xdd);
  const slab = pool.take();
  assert.ok(slab !== null);
  slab.bytes.fill(1);
  slab.release();
  assert.ok(slab.bytes.every((byte) => byte === 0xdd));
  const filling = pool.claim();
  assert.ok(filling !== null);
  filling.slab.bytes.fill(1);
  filling.at = 10;
  filling.makeRoom();
  assert.deepEqual([...filling.slab.bytes.subarray(8, 12)], [0xdd, 0xdd, 1, 1]);
  pool.giveBack(filling);
});
