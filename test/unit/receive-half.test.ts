import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk, Slab } from '../../src/core/chunk.ts';
import { ProtocolViolation, type ReasonName } from '../../src/core/errors.ts';
import { ReceiveHalf } from '../../src/protocol/receive-half.ts';

const WINDOW = 1_000;

function refuses(reason: ReasonName, act: () => void): void {
  assert.throws(act, (error: unknown) => {
    return error instanceof ProtocolViolation && error.reason === reason;
  });
}

function chunk(length: number): Chunk {
  return new Chunk(new Uint8Array(length));
}

test('what is announced counts once, however often it is announced', () => {
  const half = new ReceiveHalf(WINDOW);
  assert.equal(half.announce(0, 100, false), 100);
  assert.equal(half.announce(0, 100, false), 0);
  assert.equal(half.announce(300, 50, false), 250);
  assert.equal(half.announce(50, 100, false), 0);
  assert.equal(half.announce(1_000, 0, false), 650);
  refuses('WINDOW_EXCEEDED', () => half.announce(1_000, 1, false));
});

test('a final offset may come again, not move, not lie below what was announced or beyond the window', () => {
  const half = new ReceiveHalf(WINDOW);
  half.announce(0, 100, false);
  refuses('FINAL_OFFSET', () => half.setFinal(99));
  refuses('WINDOW_EXCEEDED', () => half.setFinal(WINDOW + 1));
  half.setFinal(150);
  half.setFinal(150);
  refuses('FINAL_OFFSET', () => half.setFinal(151));
  refuses('FINAL_OFFSET', () => half.announce(150, 1, false));
  assert.equal(half.announce(100, 50, true), 50);
});

test('the next piece goes straight on if nothing is held', () => {
  const half = new ReceiveHalf(WINDOW);
  assert.equal(half.bypass(0, 10), true);
  assert.equal(half.bypass(20, 10), false, 'there is a hole before it');
  half.insert(20, chunk(10));
  assert.equal(half.bypass(10, 10), false, 'others are held, so it takes its place');
  half.insert(10, chunk(10));
  assert.equal(half.heldBytes, 20);
  assert.equal(half.shift()?.length, 10);
  assert.equal(half.shift()?.length, 10);
  assert.equal(half.isReady, false);
  half.insert(30, chunk(10));
  assert.equal(half.isReady, true);
});

test('the end is reached with its last byte, in whatever order', () => {
  const half = new ReceiveHalf(WINDOW);
  half.announce(10, 10, true);
  half.insert(10, chunk(10));
  assert.equal(half.isAtEnd, false);
  half.insert(0, chunk(10));
  half.shift();
  half.shift();
  assert.equal(half.isAtEnd, true);
});

test('a small piece that has to wait lets go of its large slab; a large piece is not copied', () => {
  let homecomings = 0;
  const slabOf = (size: number): Slab => new Slab(new Uint8Array(size), () => homecomings++);
  const half = new ReceiveHalf(100_000);
  const large = slabOf(65_536);
  half.insert(50, new Chunk(large.bytes.subarray(0, 100), large));
  assert.equal(homecomings, 1, 'copied');
  const full = slabOf(65_536);
  half.insert(1_000, new Chunk(full.bytes.subarray(0, 40_000), full));
  assert.equal(homecomings, 1, 'kept as it is');
  half.discard();
  assert.equal(homecomings, 2);
  assert.equal(half.heldBytes, 0);
  assert.equal(half.state, 'discarding');
});

test('many small pieces in a row are joined; as many with holes are refused', () => {
  const half = new ReceiveHalf(WINDOW);
  for (let at = 0; at < WINDOW; at += 1) half.insert(at, chunk(1));
  assert.equal(half.heldBytes, WINDOW);
  let taken = 0;
  for (let piece = half.shift(); piece !== null; piece = half.shift()) taken += piece.length;
  assert.equal(taken, WINDOW);

  // 256 + WINDOW / 512 separate ranges are anybody's right, however often they are looked at.
  const honest = new ReceiveHalf(WINDOW);
  for (let range = 1; range <= 256; range += 1) honest.insert(3 * range, chunk(1));
  for (let again = 0; again < 500; again += 1) honest.insert(2_000 + again, chunk(1));
  assert.equal(honest.heldBytes, 756);

  const holed = new ReceiveHalf(WINDOW);
  refuses('TOO_MANY_FRAGMENTS', () => {
    for (let at = 1; at < 3 * WINDOW; at += 2) holed.insert(at, chunk(1));
  });
  assert.ok(holed.heldBytes < WINDOW);
});
