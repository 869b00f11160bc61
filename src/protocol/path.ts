import { RateMeter } from '../data/rate-meter.ts';

/** Limits of what a lane may carry unacknowledged; ms and bytes. */
const INITIAL_CAP = 64 * 1024;
const MAX_CAP = 8 * 1024 * 1024;
/** A cap never falls below what a slow route carries in this time, nor above this many bytes for it. */
const FLOOR_TIME = 150;
const FLOOR_BYTES = 16 * 1024;
/** How far acknowledgements may run late before it counts as queueing; the least burst allowance. */
const MIN_BURST = 25;
const MAX_BURST = 400;
/** On fast routes the allowance is bytes that stay in the processor's cache, but at least 5 ms. */
const FAST_BURST_BYTES = 2 * 1024 * 1024;
const FAST_BURST_TIME = 5;
/** Silences that count as the route's own habit. */
const GAP_MIN = 30;
const GAP_MAX = 2_000;
const GAP_MEMORY = 10_000;
const GAPS_KEPT = 32;
/** A chunk is what the lane carries in this time. */
const CHUNK_TIME = 10;
const MIN_CHUNK = 1_460;
const MAX_CHUNK = 512 * 1024;
const RATE_LONG = 1_000;
const RATE_SHORT = 200;
/** A minimum RTT older than this is measured anew. */
const MIN_RTT_AGE = 10_000;

/**
 * What a sender knows of one lane's route: round-trip time, delivery rate, and how much may be in
 * flight so that the route is full and its queues are not.
 *
 *   cap = rate x (minimum RTT + burst allowance)
 *
 * The allowance learns from the lane's own silences: a policed route stops for a retransmission
 * timeout at a time, and a cap without room for it would starve, then measure its own starvation.
 * Sources: BBR's model (draft-cardwell-iccrg-bbr-congestion-control), RTT by RFC 6298.
 */
export class Path {
  #srtt = 0;
  #rttvar = 0;
  #minRtt = Number.POSITIVE_INFINITY;
  #minRttAt = 0;
  readonly #meter = new RateMeter(4_000);
  /** Bytes per ms. */
  #rate = 0;
  #cap = INITIAL_CAP;
  #inStartup = true;
  #burst = MIN_BURST;
  /** The late acknowledgements of the last seconds: when, and by how much, ms. */
  #gaps: { at: number; gap: number }[] = [];
  #secondGap = 0;
  #lastAckAt = 0;
  /** Set while data waits for this lane: only then do acknowledgements tell the route's rate. */
  #measuringSince: number | null = null;
  #probeUntil: number | null = null;
  #probeMin = Number.POSITIVE_INFINITY;

  /** Smoothed RTT, ms; 0 before the first sample. */
  get srtt(): number {
    return this.#srtt;
  }

  get rttvar(): number {
    return this.#rttvar;
  }

  /** The route's own delay there and back, ms; 0 before the first sample. */
  get minRtt(): number {
    return Number.isFinite(this.#minRtt) ? this.#minRtt : 0;
  }

  /** Estimated delivery rate, bytes per ms. */
  get rate(): number {
    if (this.#rate > 0) return this.#rate;
    return this.#cap / Math.max(1, this.#srtt);
  }

  get burst(): number {
    return this.#burst;
  }

  /** The second longest silence of the last seconds, ms: what the route is known to do. */
  get habitualGap(): number {
    return this.#secondGap;
  }

  /** Bytes that may be in flight. */
  get cap(): number {
    if (this.#probeUntil !== null) return Math.max(2 * MIN_CHUNK, this.rate * this.minRtt * 0.5);
    return this.#cap;
  }

  /** The cap with a burst allowance of only `allowance` ms. */
  tightCap(allowance: number): number {
    if (this.#inStartup || this.#burst <= allowance) return this.cap;
    return Math.min(this.cap, Math.max(2 * this.chunk, this.rate * (this.minRtt + allowance)));
  }

  /** Payload bytes of a frame on this lane. */
  get chunk(): number {
    // Several chunks must fit under the cap, or acknowledgements could not overlap with sending.
    const most = Math.min(MAX_CHUNK, this.#cap / 4);
    return Math.floor(Math.max(MIN_CHUNK, Math.min(most, this.rate * CHUNK_TIME)));
  }

  /** When the last of `inFlight` bytes, sent now, should be acknowledged: ms from now. */
  expectedRtt(inFlight: number): number {
    return Math.max(this.minRtt, inFlight / this.rate);
  }

  /** How long `bytes` more would take to arrive behind `inFlight` bytes, ms. */
  arrival(inFlight: number, bytes: number): number {
    const queued = Math.max(0, inFlight - this.rate * this.minRtt);
    return this.minRtt / 2 + (queued + bytes) / this.rate;
  }

  /** Data waits for this lane and it is full (true), or nothing waits any more (false). */
  setLimited(isLimited: boolean, now: number): void {
    if (!isLimited) this.#measuringSince = null;
    else if (this.#measuringSince === null) this.#measuringSince = now;
  }

  /**
   * `bytes` more were acknowledged.
   * @param sentAt when the last of them was sent, ms; null if that says nothing of the RTT
   * @param delay how long the peer held the acknowledgement back, ms
   */
  onAck(now: number, bytes: number, sentAt: number | null, delay: number): void {
    if (sentAt !== null) {
      const rtt = Math.max(0.01, now - sentAt - delay);
      this.#noteRtt(rtt, now);
      this.#noteGap(now - Math.max(this.#lastAckAt, sentAt + this.minRtt), now);
    }
    this.#lastAckAt = now;
    if (this.#measuringSince !== null) {
      this.#meter.add(now - this.#measuringSince, bytes);
      this.#measuringSince = now;
      this.#updateRate();
      if (this.#inStartup) this.#cap = Math.min(MAX_CAP, this.#cap + bytes);
    }
    if (!this.#inStartup) this.#cap = this.#steadyCap();
  }

  /** The lane was silent for long and is back: what was known of its rate is void. */
  restart(): void {
    this.#meter.reset();
    this.#measuringSince = null;
    this.#rate = 0;
    this.#inStartup = true;
    this.#cap = INITIAL_CAP;
    this.#probeUntil = null;
  }

  /** True when the minimum RTT is stale and the lane should drain its queue for one RTT. */
  wantsProbe(now: number): boolean {
    return (
      !this.#inStartup &&
      this.#probeUntil === null &&
      this.#measuringSince !== null &&
      now - this.#minRttAt > MIN_RTT_AGE
    );
  }

  get isProbing(): boolean {
    return this.#probeUntil !== null;
  }

  startProbe(now: number): void {
    this.#probeMin = Number.POSITIVE_INFINITY;
    // The queue drains within the burst allowance; then one RTT shows the bare route.
    this.#probeUntil = now + this.#srtt + this.minRtt + 10;
  }

  endProbe(now: number): void {
    if (this.#probeUntil === null || now < this.#probeUntil) return;
    this.#probeUntil = null;
    if (Number.isFinite(this.#probeMin)) this.#minRtt = this.#probeMin;
    this.#minRttAt = now;
  }

  #noteRtt(rtt: number, now: number): void {
    if (this.#srtt === 0) {
      this.#srtt = rtt;
      this.#rttvar = rtt / 2;
    } else {
      this.#rttvar += (Math.abs(rtt - this.#srtt) - this.#rttvar) / 4;
      this.#srtt += (rtt - this.#srtt) / 8;
    }
    if (rtt <= this.#minRtt) {
      this.#minRtt = rtt;
      this.#minRttAt = now;
    }
    if (this.#probeUntil !== null) this.#probeMin = Math.min(this.#probeMin, rtt);
    if (this.#inStartup && rtt - this.minRtt > Math.max(MIN_BURST, this.minRtt / 2)) {
      this.#inStartup = false;
    }
  }

  #noteGap(gap: number, now: number): void {
    const gaps = this.#gaps;
    const isNew = gap > GAP_MIN && gap < GAP_MAX;
    const isOld = gaps.length > 0 && now - gaps[0]!.at > GAP_MEMORY;
    if (!isNew && !isOld) return;
    if (isNew) gaps.push({ at: now, gap });
    this.#gaps = gaps.filter((entry) => now - entry.at <= GAP_MEMORY).slice(-GAPS_KEPT);
    const sorted = this.#gaps.map((entry) => entry.gap).sort((a, b) => b - a);
    // One outlier is not a habit.
    this.#secondGap = sorted[1] ?? 0;
    this.#burst = Math.min(MAX_BURST, Math.max(MIN_BURST, 1.25 * this.#secondGap));
  }

  #updateRate(): void {
    const long = this.#meter.rate(Math.max(RATE_LONG, 4 * this.#srtt));
    const short = this.#meter.rate(Math.max(RATE_SHORT, 4 * this.minRtt));
    // Before a short window is full its figure is a burst's, not the route's.
    if (this.#meter.measured < Math.max(10, this.minRtt / 2)) return;
    this.#rate = Math.max(long, short);
  }

  #steadyCap(): number {
    const rate = this.rate;
    const allowance = Math.min(
      rate * this.#burst,
      Math.max(FAST_BURST_BYTES, rate * FAST_BURST_TIME),
    );
    const floor = Math.max(Math.min(FLOOR_BYTES, FLOOR_TIME * rate), 2 * this.chunk);
    return Math.min(MAX_CAP, Math.max(floor, rate * this.minRtt + allowance));
  }
}
