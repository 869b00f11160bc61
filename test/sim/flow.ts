import assert from 'node:assert/strict';
import type { Chunk } from '../../src/core/chunk.ts';
import { Deque } from '../../src/data/deque.ts';
import { Pattern } from './pattern.ts';

/** ms. */
export interface Span {
  readonly from: number;
  readonly until: number;
  bytes: number;
}

/**
 * One direction of one channel, seen from outside: what went in, what came out, and when.
 *
 * Checked here: what comes out is what went in, byte for byte and in order; nothing comes after FIN;
 * FIN comes once, and not before the last byte.
 */
export class Flow {
  readonly name: string;
  readonly pattern: Pattern;
  sentBytes = 0;
  deliveredBytes = 0;
  isFinSent = false;
  isFinSeen = false;
  /** Either application has cut it short, or the target refused. */
  isAborted = false;
  /** One-way delays of messages, ms. */
  readonly delays: number[] = [];
  /** The longest time without a delivery while something was under way and the reader wanted it. */
  longestGap = 0;
  gapAt = 0;
  /** Gaps and delays count from then on. */
  measureFrom = 0;
  /** Bytes that were delivered in these times. */
  readonly spans: Span[] = [];
  readonly #messages = new Deque<{ readonly end: number; readonly at: number }>();
  /** Since when something is under way with nothing delivered; null: nothing is, or nobody reads. */
  #waitingSince: number | null = null;
  #isReaderAway = false;

  constructor(name: string, channel: number, direction: number) {
    this.name = name;
    this.pattern = new Pattern(channel, direction);
  }

  /** Since when it has been waiting for bytes, or null. */
  get waitingSince(): number | null {
    return this.#waitingSince;
  }

  onSent(bytes: number, now: number): void {
    this.sentBytes += bytes;
    if (!this.#isReaderAway) this.#waitingSince ??= now;
  }

  /** The bytes up to here make a message whose clock starts at `now`. */
  onMessage(end: number, now: number): void {
    this.#messages.push({ end, at: now });
  }

  onDelivered(chunk: Chunk, now: number): void {
    assert.ok(chunk.length > 0, `${this.name}: an empty chunk`);
    assert.ok(!this.isFinSeen, `${this.name}: data after FIN`);
    this.pattern.verify(this.deliveredBytes, chunk.bytes);
    this.deliveredBytes += chunk.length;
    assert.ok(this.deliveredBytes <= this.sentBytes, `${this.name}: more came out than went in`);
    this.#noteGap(now);
    for (const span of this.spans) {
      if (now >= span.from && now < span.until) span.bytes += chunk.length;
    }
    for (;;) {
      const message = this.#messages.first;
      if (message === undefined || message.end > this.deliveredBytes) return;
      this.#messages.shift();
      if (message.at >= this.measureFrom) this.delays.push(now - message.at);
    }
  }

  onFin(): void {
    assert.ok(!this.isFinSeen, `${this.name}: FIN came twice`);
    assert.ok(this.isFinSent, `${this.name}: FIN was never sent`);
    assert.equal(this.deliveredBytes, this.sentBytes, `${this.name}: FIN before the last byte`);
    this.isFinSeen = true;
  }

  setReaderAway(isAway: boolean, now: number): void {
    this.#isReaderAway = isAway;
    if (isAway) this.#waitingSince = null;
    else if (this.deliveredBytes < this.sentBytes) this.#waitingSince = now;
  }

  #noteGap(now: number): void {
    const since = this.#waitingSince;
    if (since !== null && since >= this.measureFrom && now - since > this.longestGap) {
      this.longestGap = now - since;
      this.gapAt = since;
    }
    this.#waitingSince = this.deliveredBytes < this.sentBytes && !this.#isReaderAway ? now : null;
  }
}
