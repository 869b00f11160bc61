import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameType } from '../../src/protocol/frame.ts';
import { decodeNaively } from './naive-decoder.ts';
import { Slabs } from './slabs.ts';
import { anyFrame, concat, decode, rawFrame, split, u32 } from './wire.ts';

const frames = fc.array(anyFrame, { maxLength: 12, size: 'max' });
const places = fc.array(fc.nat(2_000), { maxLength: 30, size: 'max' });

test('frames come out as they went in, whatever the split, and give all memory back', () => {
  fc.assert(
    fc.property(frames, places, (list, cuts) => {
      const bytes = concat(list);
      const slabs = new Slabs();
      const told = decode(split(bytes, cuts), (piece) => slabs.chunk(piece));
      assert.deepEqual(told, decodeNaively(bytes));
      assert.deepEqual(told, list.flatMap(decodeNaively));
      slabs.assertAllHome();
    }),
    { numRuns: 400 },
  );
});

test('byte by byte or at once makes no difference', () => {
  fc.assert(
    fc.property(frames, (list) => {
      const bytes = concat(list);
      const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
      assert.deepEqual(decode(single), decode([bytes]));
    }),
    { numRuns: 150 },
  );
});

test('what is cut off tells of whole frames and of the payload that came, and is no error', () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { minLength: 1, maxLength: 4, size: 'max' }),
      places,
      (list, cuts) => {
        const bytes = concat(list);
        for (let end = 0; end <= bytes.length; end += 1) {
          const cut = bytes.subarray(0, end);
          assert.deepEqual(decode(split(cut, cuts)), decodeNaively(cut));
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('a wrong type or length is refused at its header, for the same reason in any split', () => {
  const wrong = fc
    .tuple(fc.nat(255), fc.nat(0xff_ffff), u32, fc.uint8Array({ maxLength: 30, size: 'max' }))
    .map(([type, length, id, body]) => rawFrame(type, id, body, length))
    .filter((bytes) => decodeNaively(bytes.subarray(0, 8))[0]?.kind === 'error');
  fc.assert(
    fc.property(frames, wrong, frames, places, (before, bad, after, cuts) => {
      const bytes = concat([...before, bad, ...after]);
      const slabs = new Slabs();
      const told = decode(split(bytes, cuts), (piece) => slabs.chunk(piece));
      assert.equal(told.at(-1)?.kind, 'error');
      assert.deepEqual(told, decodeNaively(bytes));
      // Eight bytes are enough to see it.
      const header = concat([...before, bad.subarray(0, 8)]);
      assert.deepEqual(decode(split(header, cuts)), told);
      slabs.assertAllHome();
    }),
    { numRuns: 300 },
  );
});

test('any bytes are frames or an error, never an exception of another kind', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), places, (bytes, cuts) => {
      assert.deepEqual(decode(split(bytes, cuts)), decodeNaively(bytes));
    }),
    { numRuns: 500 },
  );
});

test('a payload never waits for the end of its frame', () => {
  const bytes = rawFrame(FrameType.DATA, 1, new Uint8Array(8 + 5), 8 + 1_048_576);
  assert.deepEqual(decode([bytes]), [
    { kind: 'data', channel: 1, offset: 0, length: 1_048_576, fin: false, payload: '0000000000' },
  ]);
});
