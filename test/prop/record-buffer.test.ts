import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Chunk } from '../../src/core/chunk.ts';
import { DOORBELL, Doorbell } from '../../src/data/doorbell.ts';
import { RecordBuffer } from '../../src/data/record-buffer.ts';
import { SlabPool } from '../../src/data/slab-pool.ts';
import { type Reader, tryReaders } from './shared-slabs.ts';

const RECORD = 16 * 1024;

/** A TLS socket: writes of its peer come as records, each copied to the place offered last. */
class Socket implements Reader {
  readonly buffer: RecordBuffer;
  readonly #start: number;
  #read = 0;
  #delivered = 0;
  readonly chunks: { chunk: Chunk; offset: number }[] = [];
  #place: Uint8Array;

  constructor(pool: SlabPool, doorbell: Doorbell, start: number) {
    this.buffer = new RecordBuffer(pool, doorbell);
    this.#start = start;
    this.#place = this.buffer.offer();
  }

  byteAt(offset: number): number {
    return (Math.imul(offset + this.#start, 2_654_435_761) >>> 24) & 0xff;
  }

  /** As Node does: a record that does not fit the place comes in parts. */
  receive(length: number): void {
    for (let left = length; left > 0; ) {
      assert.ok(this.#place.length > 0, 'there is always a place');
      const part = Math.min(left, RECORD, this.#place.length);
      for (let at = 0; at < part; at += 1) this.#place[at] = this.byteAt(this.#read + at);
      this.#read += part;
      left -= part;
      this.buffer.landed(part);
      this.#place = this.buffer.offer();
    }
  }

  flush(): void {
    for (;;) {
      const chunk = this.buffer.flush();
      if (chunk === null) break;
      assert.ok(chunk.length > 0);
      this.chunks.push({ chunk, offset: this.#delivered });
      this.#delivered += chunk.length;
    }
    assert.equal(this.#delivered, this.#read, 'nothing is left behind');
    assert.equal(this.buffer.isHolding, false);
  }

  /** Checks the oldest chunk, spoils its headroom, and releases it. */
  releaseOne(): void {
    const first = this.chunks.shift();
    if (first === undefined) return;
    const { chunk, offset } = first;
    for (let at = 0; at < chunk.length; at += 1) {
      if (chunk.bytes[at] !== this.byteAt(offset + at)) assert.fail(`byte ${offset + at} changed`);
    }
    const { buffer, byteOffset } = chunk.bytes;
    new Uint8Array(buffer, byteOffset - chunk.headroom, chunk.headroom).fill(0xee);
    chunk.release();
  }

  end(): void {
    this.buffer.free();
    while (this.chunks.length > 0) this.releaseOne();
  }
}

test('records of several sockets come in order, whole and unspoilt', () => {
  const length = fc.oneof(
    fc.integer({ min: 1, max: 2000 }),
    fc.constantFrom(RECORD - 1, RECORD, RECORD + 1, 4 * RECORD),
    fc.integer({ min: RECORD, max: 700_000 }),
  );
  tryReaders((...where) => new Socket(...where), length, { maxLength: 40, numRuns: 60 });
});

test('one write is one chunk, with room in front; a short one pins no slab', () => {
  const allocate = (size: number) => new Uint8Array(size);
  const pool = new SlabPool({ allocate, budget: 1e7 });
  const socket = new Socket(pool, new Doorbell(new Uint8Array(DOORBELL)), 0);
  for (const size of [100, 300_000, 50_000]) socket.receive(size);
  socket.flush();
  assert.deepEqual(
    socket.chunks.map(({ chunk }) => chunk.length),
    [100, 300_000, 50_000],
  );
  assert.ok(socket.chunks.every(({ chunk }) => chunk.headroom >= 16));
  assert.equal(socket.chunks[0]!.chunk.isPooled, false);
  socket.end();
});
