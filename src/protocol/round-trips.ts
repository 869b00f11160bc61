import { ZERO } from '../core/zero.ts';

/** A minimum older than this is measured anew, ms. */
const MIN_AGE = 10_000;
/** The least rises by this factor at most per probe. */
const MAX_RISE = 1.5;
/** What is assumed of a route before the first sample, ms. */
const ASSUMED = 100;

/**
 * The round-trip time of a lane: smoothed, with its variation (RFC 6298), and the least, which is the
 * route's own delay without queues.
 *
 * A sender that keeps a small queue standing would come to take it for the route. So when the least
 * has not been seen for long, a probe lets the queue drain for one round trip (BBR's ProbeRTT).
 */
export class RoundTrips {
  #smoothed = ZERO;
  #variation = ZERO;
  #least = Number.POSITIVE_INFINITY;
  #leastAt = ZERO;
  #probeUntil: number | null = null;
  #probeLeast = Number.POSITIVE_INFINITY;

  /** ms; 0 before the first sample. */
  get smoothed(): number {
    return this.#smoothed;
  }

  get variation(): number {
    return this.#variation;
  }

  /** ms; a guess before the first sample. */
  get least(): number {
    return Number.isFinite(this.#least) ? this.#least : ASSUMED;
  }

  get isKnown(): boolean {
    return this.#smoothed > 0;
  }

  get isProbing(): boolean {
    return this.#probeUntil !== null;
  }

  note(rtt: number, now: number): void {
    if (this.#smoothed === 0) {
      this.#smoothed = rtt;
      this.#variation = rtt / 2;
    } else {
      this.#variation += (Math.abs(rtt - this.#smoothed) - this.#variation) / 4;
      this.#smoothed += (rtt - this.#smoothed) / 8;
    }
    if (rtt <= this.#least) {
      this.#least = rtt;
      this.#leastAt = now;
    }
    if (this.isProbing) this.#probeLeast = Math.min(this.#probeLeast, rtt);
  }

  isStale(now: number): boolean {
    return now - this.#leastAt > MIN_AGE;
  }

  startProbe(now: number): void {
    this.#probeLeast = Number.POSITIVE_INFINITY;
    // The queue drains in the first part; in the second the bare route shows.
    this.#probeUntil = now + this.#smoothed + this.least + 10;
  }

  endProbe(now: number): void {
    if (this.#probeUntil === null || now < this.#probeUntil) return;
    this.cancelProbe();
    // On a bursty route a probe may see nothing but the burst.
    if (Number.isFinite(this.#probeLeast)) {
      this.#least = Math.min(this.#probeLeast, MAX_RISE * this.#least);
    }
    this.#leastAt = now;
  }

  cancelProbe(): void {
    this.#probeUntil = null;
  }
}
