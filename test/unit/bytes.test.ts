import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shortLived } from '../../src/core/bytes.ts';

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
