import { ZERO } from '../core/zero.ts';

/** A window doubles when half of it is used up within this many round trips, or ms. */
const FAST_ROUND_TRIPS = 4;
const FAST_TIME = 600;
/** Credit for a frame that is worth its costs, bytes. */
const STEP = 64 * 1024;

function channelStep(size: number): number {
  return Math.max(size / 4, Math.min(size / 2, STEP));
}

/**
 * How far a peer may send ahead of the application, and when to tell it so.
 *
 *     |--- consumed ---|--------- size ---------|
 *                      ^ application            ^ limit, told to the peer
 *
 * 1. Credit is returned on consumption, never on receipt: a slow reader holds up its own channel.
 * 2. A limit is an absolute offset and never falls, so a lost, doubled or late one does no harm.
 * 3. The peer is told when a part of the window is free again, not per frame: for channels a quarter,
 *    and of small windows up to a half, since what a crowd of channels is told makes their frames.
 * 4. The size doubles when half of it was consumed within a few round trips, or 0.6 s: the window,
 *    not the application, was the limit, and what rides out one stall of a lane fits in it
 *    (RFC 6182 section 5.3; the doubling is QUIC's).
 */
export class ReceiveWindow {
  // Looked at for each piece that arrives; written here alone.
  size: number;
  /** What the application has taken. */
  consumed = ZERO;
  /** The offset that the peer may not pass: what it was told. */
  limit: number;
  readonly #step: (size: number) => number;
  /** Once so much is consumed, the peer should hear a new limit. */
  #tellAt = ZERO;
  /** When the last half of the window began to be consumed; null before the first byte. */
  #markAt: number | null = null;
  #markConsumed = ZERO;

  /** The peer is told of a new limit when so many bytes of the size are free again. */
  constructor(size: number, step = channelStep) {
    this.#step = step;
    this.size = size;
    this.limit = ZERO + size;
    this.#setStep();
  }

  /** The application has taken `bytes` more. @returns true when the peer should hear a new limit */
  consume(bytes: number): boolean {
    this.consumed += bytes;
    return this.isStale;
  }

  get isStale(): boolean {
    return this.consumed >= this.#tellAt;
  }

  /** True when half of the size was consumed since this was last so: ask `wanted` how large it should be. */
  isHalfUsed(now: number): boolean {
    this.#markAt ??= now;
    return this.consumed - this.#markConsumed >= this.size / 2;
  }

  /** The size that this window should have once half of it was used, given room to grow to. */
  wanted(most: number, rtt: number, now: number): number {
    const isFast = now - this.#markAt! < Math.max(FAST_ROUND_TRIPS * rtt, FAST_TIME);
    this.#markAt = now;
    this.#markConsumed = this.consumed;
    return isFast ? Math.max(this.size, Math.min(most, this.size * 2)) : this.size;
  }

  grow(size: number): void {
    this.size = Math.max(this.size, size);
    this.#setStep();
  }

  /** The new limit to tell the peer. */
  advance(): number {
    this.limit = Math.max(this.limit, this.consumed + this.size);
    this.#setStep();
    return this.limit;
  }

  #setStep(): void {
    this.#tellAt = this.limit - this.size + this.#step(this.size);
  }
}
