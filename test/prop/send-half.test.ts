import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Channel } from '../../src/protocol/channel.ts';
import type { Segment } from '../../src/protocol/segment.ts';
import { Slabs } from './slabs.ts';

const LIMIT = 50_000;
/** Bytes of the longest write. */
const MOST = 30_000;

const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: MOST }));
const step = fc.oneof(
  { weight: 5, arbitrary: size.map((length) => ({ kind: 'push' as const, length })) },
  { weight: 6, arbitrary: size.map((suited) => ({ kind: 'take' as const, suited })) },
  { weight: 4, arbitrary: fc.nat().map((pick) => ({ kind: 'ack' as const, pick })) },
  { weight: 1, arbitrary: fc.nat().map((pick) => ({ kind: 'split' as const, pick })) },
  { weight: 1, arbitrary: fc.nat().map((pick) => ({ kind: 'delivered' as const, pick })) },
  { weight: 1, arbitrary: size.map((bytes) => ({ kind: 'widen' as const, bytes })) },
);
const ending = fc.constantFrom('acked' as const, 'discarded' as const);

test('a send half keeps every byte, its order and its memory, whatever is split and acknowledged', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 100, size: 'max' }),
      fc.integer({ min: 2, max: 60 }),
      ending,
      (steps, finAt, end) => {
        const world = new World();
        steps.forEach((action, index) => {
          if (index === finAt) world.finish();
          switch (action.kind) {
            case 'push':
              world.push(action.length);
              break;
            case 'take':
              world.take(action.suited);
              break;
            case 'ack':
              world.ack(action.pick);
              break;
            case 'split':
              world.split(action.pick);
              break;
            case 'delivered':
              world.delivered(action.pick);
              break;
            case 'widen':
              world.send.limit += action.bytes;
              break;
          }
          world.check();
        });
        if (end === 'acked') world.runToEnd();
        else world.discard();
        world.slabs.assertAllHome();
      },
    ),
    { numRuns: 300 },
  );
});

/** A send half, the twin that knows all bytes, and a lane that takes what it is given. */
class World {
  readonly slabs = new Slabs();
  readonly send = new Channel(1, { sendLimit: LIMIT, receiveWindow: 0, isKnown: true }).send;
  /** Bytes that were written. */
  #written = 0;
  /** A mark at each offset that the half was told of as acknowledged, and their number. */
  readonly #acked = new Uint8Array(100 * MOST);
  #marks = 0;
  /** Whatever a lane may hold: parts and, as copies that are still under way, what was split. */
  readonly #flights: Segment[] = [];
  /** Every segment as it was taken. */
  readonly #taken: Segment[] = [];
  #ackedBytes = 0;
  #fin: Segment | null = null;
  #isFinAcked = false;

  push(length: number): void {
    if (this.send.state !== 'open') return;
    this.send.push(this.slabs.chunk(writtenAt(this.#written, length)));
    this.#written += length;
  }

  finish(): void {
    if (this.send.state === 'open') this.send.state = 'fin-queued';
  }

  take(suited: number): void {
    const { send } = this;
    if (!send.hasNew || (send.queuedBytes > 0 && send.credit <= 0)) return;
    const { next, credit, queuedBytes } = send;
    const segment = send.take(suited, credit, 0);
    assert.equal(segment.offset, next);
    assert.equal(send.next, segment.end);
    assert.equal(segment.chunk === null, segment.length === 0);
    assert.ok(segment.length > 0 || segment.fin, 'a segment brings something');
    assert.ok(segment.length <= Math.min(credit, Math.floor(suited * 1.25)) || queuedBytes === 0);
    assertBytes(segment);
    if (segment.fin) {
      assert.equal(this.#fin, null, 'one FIN');
      assert.equal(segment.end, this.#written, 'behind everything');
      this.#fin = segment;
    }
    this.#taken.push(segment);
    this.#flights.push(segment);
  }

  ack(pick: number): void {
    const segment = this.#flights[pick % this.#flights.length];
    if (segment === undefined) return;
    if (pick % 5 > 0) this.#flights.splice(this.#flights.indexOf(segment), 1);
    this.#note(this.send.onAcked(segment), segment.offset, segment.end);
    if (segment.fin) this.#isFinAcked = true;
  }

  split(pick: number): void {
    const segment = this.#flights[pick % this.#flights.length];
    if (segment === undefined || segment.isAcked || segment.parts !== null || segment.length < 2) {
      return;
    }
    const parts = segment.split(1 + (pick % (segment.length - 1)));
    assert.deepEqual(
      [parts[0].offset, parts[0].end, parts[1].end],
      [segment.offset, parts[1].offset, segment.end],
    );
    for (const part of parts) assertBytes(part);
    assert.deepEqual([false, segment.fin], [parts[0].fin, parts[1].fin]);
    this.#flights.push(...parts);
  }

  delivered(pick: number): void {
    const next = pick % (this.send.next + 1);
    // Whole frames as they were first sent, in order, up to the FIN.
    const blocking = this.#taken.find(
      ({ offset, end, fin }) => !this.#isAcked(offset, end, fin) && (fin || end > next),
    );
    const bytes = this.send.onDelivered(next);
    this.#note(bytes, 0, Math.min(next, blocking?.offset ?? next));
  }

  /** `bytes` were reported for a range, of which some may have been acknowledged already. */
  #note(bytes: number, from: number, to: number): void {
    this.#ackedBytes += bytes;
    for (let at = from; at < to; at += 1) {
      this.#marks += 1 - this.#acked[at]!;
      this.#acked[at] = 1;
    }
  }

  #isAcked(from: number, to: number, fin: boolean): boolean {
    if (fin && !this.#isFinAcked) return false;
    return !this.#acked.subarray(from, to).includes(0);
  }

  check(): void {
    const { send } = this;
    assert.equal(send.next + send.queuedBytes, this.#written);
    assert.ok(send.next <= send.limit, 'never beyond the window');
    assert.equal(send.outstandingBytes, send.next - this.#ackedBytes);
    assert.equal(this.#ackedBytes, this.#marks, 'each byte is acknowledged once');
    const isComplete = this.#isFinAcked && send.outstandingBytes === 0;
    assert.equal(send.state === 'done', isComplete, 'done means: all of it, and the FIN');
    const oldest = send.oldest(Number.POSITIVE_INFINITY);
    const frames = 128 + send.outstandingBytes / 1_024;
    assert.equal(send.isFragmented, oldest.length >= frames);
    const missing = oldest.reduce((sum, segment) => sum + segment.length, 0);
    assert.equal(missing, send.outstandingBytes, 'all that is outstanding can be sent again');
    for (const segment of oldest) assertBytes(segment);
  }

  runToEnd(): void {
    this.finish();
    this.send.limit = Number.POSITIVE_INFINITY;
    while (this.send.hasNew) this.take(10_000);
    for (const segment of this.#flights.splice(0).reverse()) {
      this.#note(this.send.onAcked(segment), segment.offset, segment.end);
    }
    assert.equal(this.#ackedBytes, this.#written);
    assert.equal(this.send.state, 'done');
  }

  discard(): void {
    const held = this.send.discard();
    assert.equal(held + this.#ackedBytes, this.#written, 'what was held is given back');
    assert.equal(this.send.queuedBytes + this.send.outstandingBytes, 0);
    assert.equal(this.send.state, 'done');
    for (const segment of this.#flights) assert.equal(this.send.onAcked(segment), 0);
  }
}

/** The bytes of the segment are those that were written at its offset. */
function assertBytes({ chunk, offset, length }: Segment): void {
  const bytes = chunk?.bytes ?? new Uint8Array(0);
  assert.equal(Buffer.compare(bytes, writtenAt(offset, length)), 0);
}

function writtenAt(offset: number, length: number): Uint8Array {
  const start = offset % 256;
  return repeated.subarray(start, start + length);
}

const repeated = Uint8Array.from({ length: 256 + MOST }, (_, at) => at);
