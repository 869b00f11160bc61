import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  readU16,
  readU24,
  readU32,
  readU48,
  writeU16,
  writeU24,
  writeU32,
  writeU48,
} from '../../src/protocol/frame.ts';
import { u48 } from './wire.ts';

type Write = (into: Uint8Array, at: number, value: number) => void;
type Read = (from: Uint8Array, at: number) => number;

const codecs: readonly [bits: number, write: Write, read: Read][] = [
  [16, writeU16, readU16],
  [24, writeU24, readU24],
  [32, writeU32, readU32],
  [48, writeU48, readU48],
];

for (const [bits, write, read] of codecs) {
  test(`u${bits} is big-endian, touches its own bytes only, and reads back`, () => {
    const edges = [0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2 ** bits - 2, 2 ** bits - 1];
    const values = fc.oneof(
      fc.constantFrom(...edges),
      u48.map((value) => value % 2 ** bits),
    );
    fc.assert(
      fc.property(values, fc.nat(5), (value, at) => {
        const bytes = new Uint8Array(16).fill(0xee);
        write(bytes, at, value);
        const expected = new Uint8Array(16).fill(0xee);
        const digits = value.toString(16).padStart(bits / 4, '0');
        expected.set(Buffer.from(digits, 'hex'), at);
        assert.deepEqual(bytes, expected);
        assert.equal(read(bytes, at), value);
      }),
    );
  });
}
