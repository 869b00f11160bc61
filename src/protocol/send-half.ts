import { Chunk } from '../core/chunk.ts';
import { ZERO } from '../core/zero.ts';
import { Deque } from '../data/deque.ts';
import type { Channel } from './channel.ts';
import { DATA_HEADER_BYTES, MAX_PAYLOAD_BYTES } from './frame.ts';
import { Segment } from './segment.ts';

/** Chunks shorter than this are joined to one frame when several wait. */
const JOIN_BYTES = 16 * 1024;
/** A channel that sends less than this per period is interactive (fq_codel's "new flow"). */
const SPARSE_BYTES = 16 * 1024;
const SPARSE_PERIOD = 100;
/** Frames that may be outstanding: so many, and one more for so many outstanding bytes. */
const FRAMES_FREE = 128;
const FRAME_BYTES = 1024;

/**
 * The direction of a channel that leaves this end.
 *
 *     written by the application
 *     |---- acknowledged ----|---- outstanding ----|---- queued ----|
 *                                                  ^ next           ^ next + queuedBytes
 *                                       next <= limit (the peer's window)
 *
 *      open --finish()--> fin-queued --last segment taken--> fin-sent --acknowledged--> done
 *        any --reset--> done
 */
export class SendHalf {
  state: 'open' | 'fin-queued' | 'fin-sent' | 'done' = 'open';
  /** The peer's window: the offset that may not be passed. */
  limit: number;
  /** Deficit round robin: bytes that this channel may send before the next one's turn. */
  deficit = 0;
  readonly #channel: Channel;
  readonly #queue = new Deque<Chunk>();
  #queuedBytes = 0;
  #next = ZERO;
  /** Sent and not yet acknowledged, in order of offset; acknowledged ones leave at the head. */
  readonly #outstanding = new Deque<Segment>();
  #outstandingBytes = 0;
  #outstandingFrames = 0;
  #periodStart = Number.NEGATIVE_INFINITY;
  #periodBytes = 0;

  constructor(channel: Channel, limit: number) {
    this.#channel = channel;
    this.limit = ZERO + limit;
  }

  /** The offset of the next byte to be sent for the first time. */
  get next(): number {
    return this.#next;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get outstandingBytes(): number {
    return this.#outstandingBytes;
  }

  /** Bytes that the peer's window leaves. */
  get credit(): number {
    return this.limit - this.#next;
  }

  /** True when a frame could be sent for the first time, windows permitting. */
  get hasNew(): boolean {
    return this.#queuedBytes > 0 || this.state === 'fin-queued';
  }

  /**
   * True when small frames are so many that the peer might not hold them out of order. What is
   * queued then waits for acknowledgements, and leaves in larger frames.
   */
  get isFragmented(): boolean {
    return this.#outstandingFrames >= FRAMES_FREE + this.#outstandingBytes / FRAME_BYTES;
  }

  get isBlocked(): boolean {
    return this.#queuedBytes > 0 && this.credit <= 0;
  }

  /** True for a channel whose little traffic goes before bulk. */
  isSparse(now: number): boolean {
    if (now - this.#periodStart > SPARSE_PERIOD) return this.#queuedBytes <= SPARSE_BYTES;
    return this.#periodBytes + this.#queuedBytes <= SPARSE_BYTES;
  }

  push(chunk: Chunk): void {
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
  }

  /**
   * Takes the next bytes (at least 1, or a bare FIN) as a new segment.
   * @param suited what suits the lane, bytes: passed by up to a quarter rather than leave a crumb
   * @param most what the windows allow, bytes
   */
  take(suited: number, most: number, now: number): Segment {
    const chunk = this.#queuedBytes > 0 ? this.#takeChunk(suited, most) : null;
    const fin = this.state === 'fin-queued' && this.#queuedBytes === 0;
    const segment = new Segment(this.#channel, this.#next, chunk, fin);
    this.#next += segment.length;
    this.#outstandingBytes += segment.length;
    this.#outstandingFrames += 1;
    if (fin) this.state = 'fin-sent';
    this.#outstanding.push(segment);
    this.#notePeriod(segment.length, now);
    return segment;
  }

  /** @returns the bytes that are newly acknowledged */
  onAcked(segment: Segment): number {
    if (segment.isAcked) return 0;
    segment.isAcked = true;
    let bytes = 0;
    if (segment.parts === null) {
      bytes = segment.length;
      this.#outstandingBytes -= bytes;
      this.#outstandingFrames -= 1;
    } else {
      for (const part of segment.parts) bytes += this.onAcked(part);
    }
    segment.drop();
    this.#trim();
    // The FIN is outstanding, too: nothing left means that the peer has it and all before it.
    if (this.state === 'fin-sent' && this.#outstanding.length === 0) this.state = 'done';
    return bytes;
  }

  /** An outstanding segment was cut in two. */
  onSplit(): void {
    this.#outstandingFrames += 1;
  }

  /** The peer holds everything below `next`. @returns the bytes that are newly acknowledged */
  onDelivered(next: number): number {
    let bytes = 0;
    for (;;) {
      const first = this.#outstanding.first;
      // A FIN is acknowledged by its lane alone: `next` cannot tell whether it has arrived.
      if (first === undefined || first.fin || first.end > next) return bytes;
      bytes += this.onAcked(first);
      if (this.#outstanding.first === first) return bytes;
    }
  }

  /** The segments of the lowest offsets that the peer may lack, at most `count`. */
  oldest(count: number): Segment[] {
    const found: Segment[] = [];
    for (const segment of this.#outstanding) {
      if (found.length >= count) break;
      collectUnacked(segment, found);
    }
    return found;
  }

  /** Throws away all that is not acknowledged. @returns the bytes that were held */
  discard(): number {
    const held = this.#queuedBytes + this.#outstandingBytes;
    for (const chunk of this.#queue) chunk.release();
    this.#queue.clear();
    this.#queuedBytes = 0;
    for (const segment of this.#outstanding) abandon(segment);
    this.#outstanding.clear();
    this.#outstandingBytes = 0;
    this.#outstandingFrames = 0;
    this.state = 'done';
    return held;
  }

  #takeChunk(suited: number, most: number): Chunk {
    const first = this.#queue.first!;
    if (first.length > Math.min(most, suited * 1.25, MAX_PAYLOAD_BYTES)) {
      const length = Math.min(most, suited);
      this.#queue.shift();
      this.#queue.unshift(first.slice(length, first.length));
      this.#queuedBytes -= length;
      const head = first.slice(0, length);
      first.release();
      return head;
    }
    const second = this.#queue.at(1);
    const limit = Math.min(most, suited, JOIN_BYTES);
    if (second === undefined || first.length + second.length > limit) {
      this.#queue.shift();
      this.#queuedBytes -= first.length;
      return first;
    }
    return this.#join(limit);
  }

  /** Several small chunks as one, with room for the header. */
  #join(limit: number): Chunk {
    const pieces: Chunk[] = [];
    let length = 0;
    for (;;) {
      const chunk = this.#queue.first;
      if (chunk === undefined || length + chunk.length > limit) break;
      this.#queue.shift();
      pieces.push(chunk);
      length += chunk.length;
    }
    const bytes = new Uint8Array(DATA_HEADER_BYTES + length);
    let at = DATA_HEADER_BYTES;
    for (const piece of pieces) {
      bytes.set(piece.bytes, at);
      at += piece.length;
      piece.release();
    }
    this.#queuedBytes -= length;
    return new Chunk(bytes.subarray(DATA_HEADER_BYTES), null, DATA_HEADER_BYTES);
  }

  #notePeriod(bytes: number, now: number): void {
    if (now - this.#periodStart > SPARSE_PERIOD) {
      this.#periodStart = now;
      this.#periodBytes = 0;
    }
    this.#periodBytes += bytes;
  }

  #trim(): void {
    for (;;) {
      const first = this.#outstanding.first;
      if (first === undefined || !isSettled(first)) return;
      this.#outstanding.shift();
    }
  }
}

/** True when the peer is known to have all of it. */
function isSettled(segment: Segment): boolean {
  if (segment.isAcked) return true;
  return segment.parts?.every(isSettled) ?? false;
}

function collectUnacked(segment: Segment, into: Segment[]): void {
  if (segment.isAcked) return;
  if (segment.parts === null) into.push(segment);
  else for (const part of segment.parts) collectUnacked(part, into);
}

function abandon(segment: Segment): void {
  segment.isAcked = true;
  segment.drop();
  for (const part of segment.parts ?? []) abandon(part);
}
