import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Chunk } from '../../src/core/chunk.ts';
import { DOORBELL, Doorbell } from '../../src/data/doorbell.ts';
import { HEADROOM, ReadBuffer } from '../../src/data/read-buffer.ts';
import { HUGE_SLAB, LARGE_SLAB, SlabPool } from '../../src/data/slab-pool.ts';
import { DATA_HEADER_BYTES } from '../../src/protocol/frame.ts';
import { type Reader, tryReaders } from './shared-slabs.ts';

/** A socket that reads: `available` bytes per wake-up, in as many reads as the offered places need. */
class Socket implements Reader {
  readonly #buffer: ReadBuffer;
  readonly #start: number;
  #read = 0;
  #delivered = 0;
  readonly chunks: { chunk: Chunk; offset: number }[] = [];
  #place: Uint8Array;

  constructor(pool: SlabPool, doorbell: Doorbell, start: number, slab = LARGE_SLAB) {
    this.#buffer = new ReadBuffer(pool, doorbell, slab);
    this.#start = start;
    this.#place = this.#buffer.offer(false);
  }

  byteAt(offset: number): number {
    return (Math.imul(offset + this.#start, 2_654_435_761) >>> 24) & 0xff;
  }

  /**
   * As the event loop does: reads until a read comes up short, or nothing is left. Who takes it pauses it after
   * each read from the offset `pausesAt` on.
   */
  receive(available: number, pausesAt = Number.POSITIVE_INFINITY): void {
    for (let left = available; left > 0; ) {
      const place = this.#place;
      const length = Math.min(left, place.length);
      for (let at = 0; at < length; at += 1) place[at] = this.byteAt(this.#read + at);
      this.#read += length;
      left -= length;
      const isFull = this.#buffer.fills(length);
      this.#keep(this.#buffer.landed(length));
      this.#place = this.#buffer.offer(isFull && this.#read < pausesAt);
    }
  }

  flush(): void {
    this.#keep(this.#buffer.flush());
  }

  /** Checks the oldest chunk, and releases it. */
  releaseOne(): void {
    const first = this.chunks.shift();
    if (first === undefined) return;
    this.#check(first);
    const { bytes, headroom } = first.chunk;
    assert.ok(headroom >= HEADROOM);
    // The headroom is this chunk's alone: whoever writes there harms no other chunk.
    new Uint8Array(bytes.buffer, bytes.byteOffset - headroom, headroom).fill(0xee);
    first.chunk.release();
  }

  end(): void {
    this.flush();
    this.#buffer.free();
    assert.equal(this.#delivered, this.#read, 'every byte became part of a chunk');
    while (this.chunks.length > 0) this.releaseOne();
  }

  #keep(chunk: Chunk | null): void {
    if (chunk === null) return;
    assert.ok(chunk.length > 0);
    this.chunks.push({ chunk, offset: this.#delivered });
    this.#delivered += chunk.length;
  }

  #check({ chunk, offset }: { chunk: Chunk; offset: number }): void {
    for (let at = 0; at < chunk.length; at += 1) {
      if (chunk.bytes[at] !== this.byteAt(offset + at)) assert.fail(`byte ${offset + at} changed`);
    }
  }
}

test('no read overwrites a chunk, whatever sockets share the slabs', () => {
  const length = fc.oneof(
    fc.integer({ min: 1, max: 5000 }),
    fc.constantFrom(DOORBELL - 1, DOORBELL, DOORBELL + 1, 2 * DOORBELL),
    fc.integer({ min: DOORBELL, max: 200_000 }),
  );
  tryReaders((...where) => new Socket(...where), length, { maxLength: 60, numRuns: 60 });
});

test('the first read is passed on at once, later bursts wait for their second', () => {
  const pool = new SlabPool({ allocate: (size) => new Uint8Array(size), budget: 1e7 });
  const sockets = [0, 1, 2].map(
    (start) => new Socket(pool, new Doorbell(new Uint8Array(DOORBELL)), start),
  );
  for (const socket of sockets) {
    socket.receive(DOORBELL);
    assert.equal(socket.chunks.length, 1, 'its taker may pause it now');
  }
  const [socket] = sockets;
  socket!.releaseOne();
  socket!.receive(10); // the burst has ended
  socket!.releaseOne();
  socket!.receive(DOORBELL);
  assert.equal(socket!.chunks.length, 0, 'held');
  socket!.receive(100);
  assert.equal(socket!.chunks[0]?.chunk.length, DOORBELL + 100);
  for (const each of sockets) each.end();
});

/** How many chunks the last of `bursts` (bytes) makes, where others use what it leaves of slabs. */
function chunksOfLast(bursts: readonly number[], slab: number, pausesAt?: number): number {
  const pool = new SlabPool({ allocate: (size) => new Uint8Array(size), budget: 256 * LARGE_SLAB });
  const socket = new Socket(pool, new Doorbell(new Uint8Array(DOORBELL)), 0, slab);
  const others = [];
  let count = 0;
  for (const length of bursts) {
    socket.receive(length, pausesAt);
    count = socket.chunks.length;
    others.push(pool.claim());
    while (socket.chunks.length > 0) socket.releaseOne();
  }
  for (const other of others) pool.giveBack(other!);
  socket.end();
  assert.equal(pool.outBytes, 0);
  return count;
}

test('bulk from an application is taken in one read, once it has been seen', () => {
  const bulk = HUGE_SLAB - LARGE_SLAB;
  assert.equal(chunksOfLast([DOORBELL, bulk, bulk], HUGE_SLAB), 1, 'doorbell and slab, joined');
  assert.ok(chunksOfLast([DOORBELL, bulk], HUGE_SLAB) <= 3, 'two large slabs, then a huge one');
  assert.ok(
    chunksOfLast([DOORBELL, bulk, DOORBELL + 1, bulk], HUGE_SLAB) > 1,
    'the last burst counts',
  );
  assert.ok(chunksOfLast([DOORBELL, bulk, bulk], LARGE_SLAB) > 1, 'lanes carry frames');
  const whatFits = 2 * LARGE_SLAB;
  assert.ok(chunksOfLast([DOORBELL, whatFits, bulk], HUGE_SLAB) === 1);
  assert.ok(chunksOfLast([DOORBELL, whatFits, bulk], HUGE_SLAB, LARGE_SLAB) > 1, 'it was cut');
});

test('a small read pins no slab', () => {
  const pool = new SlabPool({ allocate: (size) => new Uint8Array(size), budget: 1e7 });
  const socket = new Socket(pool, new Doorbell(new Uint8Array(DOORBELL)), 0);
  for (let count = 0; count < 100; count += 1) socket.receive(4096);
  assert.equal(pool.outBytes, 0);
  assert.ok(socket.chunks.every(({ chunk }) => chunk.pinned === 4096));
});

test('small reads look at the doorbell by the same view, and their copies share memory', (t) => {
  const READS = 1_000;
  const LENGTH = 100;
  const pool = new SlabPool({ allocate: (size) => new Uint8Array(size), budget: 1e7 });
  const buffer = new ReadBuffer(pool, new Doorbell(new Uint8Array(DOORBELL)));
  const typedArray: Uint8Array = Object.getPrototypeOf(Uint8Array.prototype);
  const views = t.mock.method(typedArray, 'subarray');
  const chunks = Array.from({ length: READS }, () => buffer.landed(LENGTH)!);
  assert.ok(views.mock.callCount() <= 1, `${views.mock.callCount()} views`);
  const blocks = new Set(chunks.map(({ bytes }) => bytes.buffer)).size;
  // Some bytes at each block's end are too few, and the first one was begun before.
  assert.ok(blocks <= (READS * (HEADROOM + LENGTH)) / 8_000 + 2, `${blocks} blocks`);
});

test('a read of a whole slab, as a frame, is one chunk at the other end, and ends the burst', () => {
  const pool = new SlabPool({ allocate: (size) => new Uint8Array(size), budget: 64 * LARGE_SLAB });
  const doorbell = new Doorbell(new Uint8Array(DOORBELL));
  const reader = new Socket(pool, doorbell, 0);
  reader.receive(4 * LARGE_SLAB);
  const longest = Math.max(...reader.chunks.map(({ chunk }) => chunk.length));
  assert.ok(longest > LARGE_SLAB - 100, `${longest}`);
  reader.end();
  const frame = DATA_HEADER_BYTES + longest;
  const peer = new ReadBuffer(pool, doorbell);
  peer.offer(false);
  peer.landed(DOORBELL)!.release(); // of the first burst it is a chunk by itself
  peer.offer(true);
  peer.landed(1)!.release();
  peer.offer(false);
  assert.equal(peer.landed(DOORBELL), null);
  assert.ok(
    peer.offer(true).length > frame - DOORBELL,
    'it leaves room, so that nothing more is read',
  );
  assert.equal(peer.landed(frame - DOORBELL)?.length, frame);
});
