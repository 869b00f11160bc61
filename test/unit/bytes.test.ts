import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Blocks, shortLived } from '../../src/core/bytes.ts';

test('pieces have the length asked for, and share no byte', () => {
  const lengths = [0, 1, 16, 132, 4096, 4097, 100_000];
  const pieces = Array.from({ length: 200 }, (_, at) => shortLived(lengths[at % lengths.length]!));
  for (const [at, piece] of pieces.entries()) piece.fill(at);
  for (const [at, piece] of pieces.entries()) {
    assert.equal(piece.length, lengths[at % lengths.length]);
    assert.ok(piece.every((byte) => byte === at));
  }
});

test('short pieces lie in common memory, long ones keep nothing but themselves', () => {
  const owners = new Set(Array.from({ length: 100 }, () => shortLived(100).buffer));
  assert.ok(owners.size <= 2);
  assert.equal(shortLived(50_000).buffer.byteLength, 50_000);
});

test('the room in front of a piece is its own', () => {
  const blocks = new Blocks(1_000, 400);
  const lengths = [1, 100, 384, 385, 2_000];
  const pieces = Array.from({ length: 50 }, (_, at) => blocks.cut(lengths[at % 5]!, 16));
  for (const piece of pieces) piece.fill(1);
  for (const { buffer, byteOffset } of pieces) new Uint8Array(buffer, byteOffset - 16, 16).fill(2);
  assert.ok(pieces.every((piece) => piece.every((byte) => byte === 1)));
});
