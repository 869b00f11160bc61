import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Chunk, Slab } from '../../src/core/chunk.ts';
import { DatagramDecoder } from '../../src/io/datagram-decoder.ts';

const MAX_LENGTH = 100_000;

test('datagrams come out whole, whatever the split of their bytes', () => {
  const datagram = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.integer({ min: 4000, max: 20_000 }).map((length) => new Uint8Array(length).fill(length)),
  );
  fc.assert(
    fc.property(
      fc.array(datagram, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 }),
      (datagrams, splits) => {
        let held = 0;
        const decoder = new DatagramDecoder(MAX_LENGTH);
        const decoded: Uint8Array[] = [];
        const wire = encode(datagrams);
        for (let at = 0, index = 0; at < wire.length; index += 1) {
          const piece = wire.slice(at, at + splits[index % splits.length]!);
          at += piece.length;
          held += 1;
          decoder.push(new Chunk(piece, new Slab(piece, () => (held -= 1))));
          for (let next = decoder.next(); next !== 'incomplete'; next = decoder.next()) {
            assert.ok(next !== 'too-long');
            decoded.push(next.bytes.slice());
            next.release();
          }
          assert.equal(decoder.hasBytes, false);
        }
        assert.equal(decoder.isInside, false);
        assert.deepEqual(decoded, datagrams);
        assert.equal(held, 0, 'all chunks are released');
      },
    ),
  );
});

test('a length above the limit is refused with its last byte', () => {
  fc.assert(
    fc.property(fc.integer({ min: MAX_LENGTH + 1, max: 0xffff_ffff }), (length) => {
      const header = new Uint8Array(4);
      new DataView(header.buffer).setUint32(0, length);
      const decoder = new DatagramDecoder(MAX_LENGTH);
      decoder.push(new Chunk(header.slice(0, 3)));
      assert.equal(decoder.next(), 'incomplete');
      assert.equal(decoder.isInside, true);
      decoder.push(new Chunk(header.slice(3)));
      assert.equal(decoder.next(), 'too-long');
      decoder.free();
    }),
  );
});

test('a datagram inside of one chunk is not copied', () => {
  const decoder = new DatagramDecoder(MAX_LENGTH);
  const wire = encode([new Uint8Array(1000), new Uint8Array(10)]);
  decoder.push(new Chunk(wire));
  const first = decoder.next();
  assert.ok(first instanceof Chunk);
  assert.equal(first.bytes.buffer, wire.buffer);
});

function encode(datagrams: readonly Uint8Array[]): Uint8Array {
  const wire = new Uint8Array(datagrams.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(wire.buffer);
  let at = 0;
  for (const datagram of datagrams) {
    view.setUint32(at, datagram.length);
    wire.set(datagram, at + 4);
    at += 4 + datagram.length;
  }
  return wire;
}
