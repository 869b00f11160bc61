import { RateMeter } from '../data/rate-meter.ts';
import { RecentMax } from '../data/recent-max.ts';
import { RoundTrips } from './round-trips.ts';
import { Silences } from './silences.ts';

/** Limits of what a lane may carry unacknowledged; ms and bytes. */
const INITIAL_CAP = 16 * 1024;
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
/** A full lane with less queue than this for two round trips could carry more, ms: a chunk's time. */
const CLEAR_QUEUE = 10;
/** Of what the bare route holds, so much is in flight while a probe lets the queue drain. */
const PROBE_SHARE = 0.9;
/** Growth of the cap per byte acknowledged: at the start, and when a full lane shows no queue. */
const STARTUP_GAIN = 1;
const CLIMB_GAIN = 0.5;
/** Growth is judged once per least RTT, and not more often than this, ms. */
const ROUND_MIN = 20;
/** A chunk is what the lane carries in this time. */
const CHUNK_TIME = 10;
const MIN_CHUNK = 1_460;
const MAX_CHUNK = 512 * 1024;
/** Rates are taken over these times, ms, or a few round trips if that is longer. */
const RATE_LONG = 1_000;
const RATE_SHORT = 200;
const RATE_STARTUP = 50;
/** How far back rates are remembered, ms. */
const RATE_MEMORY = 4_000;

/** An acknowledgement, and the last of the flights that it ends. */
export interface Acknowledged {
  /** Newly acknowledged. */
  readonly bytes: number;
  /** When that flight was sent, ms; null if it says nothing of the RTT. */
  readonly sentAt: number | null;
  /** Bytes that were in flight with it, its own included. */
  readonly inFlight: number;
  /** When the first of the flights was sent. */
  readonly waitingSince: number;
  /** How long the peer held the acknowledgement back, ms. */
  readonly delay: number;
}

/**
 * What a sender knows of one lane's route: round-trip time, delivery rate, and how much may be in
 * flight so that the route is full and its queues are not.
 *
 *   cap = rate x (least RTT + burst allowance)
 *
 *   growing --a queue, and the rate no longer grows--> steady
 *      ^---------------- full, yet no queue --------------'
 *
 * The allowance learns from the lane's own silences: a policed route stops for a retransmission
 * timeout at a time, and a cap without room for it would starve, then measure its own starvation.
 * Sources: BBR's model (draft-cardwell-iccrg-bbr-congestion-control).
 */
export class Path {
  readonly #trips = new RoundTrips();
  readonly #silences = new Silences();
  /** Of the time in which the lane was full: what the route carries. */
  readonly #carried = new RateMeter(RATE_MEMORY);
  /** Of all time: what the route carries at least. */
  readonly #delivered = new RateMeter(RATE_MEMORY / 2);
  /** What the route carries at most, as its queues have shown. */
  #ceiling = new RecentMax(RATE_LONG);
  /** Bytes per ms. */
  #rate = 0;
  #cap = INITIAL_CAP;
  #isGrowing = true;
  /** Growth of the cap per byte acknowledged. */
  #gain = STARTUP_GAIN;
  #lastAckAt: number | null = null;
  /** Since when data has waited because this lane is full. */
  #fullSince: number | null = null;
  /** Up to when the full lane has been measured; null until what was sent when full is acknowledged. */
  #measuredAt: number | null = null;
  // Growth goes by rounds of one least RTT, in which the lane is full.
  #roundStart: number | null = null;
  #roundBytes = 0;
  /** The best of the rounds before. */
  #roundRate = 0;
  #isQueueSeen = false;
  #isRateGrowing = true;
  /** Since when the full lane has shown no queue. */
  #clearSince: number | null = null;

  /** Smoothed RTT, ms; 0 before the first sample. */
  get srtt(): number {
    return this.#trips.smoothed;
  }

  get rttvar(): number {
    return this.#trips.variation;
  }

  /** The route's own delay there and back, ms; a guess before the first sample. */
  get minRtt(): number {
    return this.#trips.least;
  }

  /** True once the full lane has shown its rate, for a good part of a round trip: before, a burst's would do. */
  get isMeasured(): boolean {
    return this.#carried.measured >= Math.max(10, this.minRtt / 2);
  }

  get isKnown(): boolean {
    return this.#trips.isKnown;
  }

  /** Estimated delivery rate, bytes per ms. */
  get rate(): number {
    return this.#rate > 0 ? this.#rate : this.#cap / this.minRtt;
  }

  /** What the full lane has delivered over seconds, bytes per ms: the rate without its bursts. */
  get sustainedRate(): number {
    const rate = this.#carried.rate(RATE_MEMORY);
    return rate > 0 ? Math.min(rate, this.rate) : this.rate;
  }

  /** How long the route may pause without running dry, ms. */
  get burst(): number {
    return Math.min(MAX_BURST, Math.max(MIN_BURST, 1.25 * this.habitualGap));
  }

  /** The second longest silence of the last seconds, ms: what the route is known to do. */
  get habitualGap(): number {
    return this.#silences.habitual;
  }

  /** Bytes that may be in flight. */
  get cap(): number {
    if (!this.isProbing) return this.#cap;
    return Math.max(2 * MIN_CHUNK, this.rate * this.minRtt * PROBE_SHARE);
  }

  /** The cap with a burst allowance of only `allowance` ms. */
  tightCap(allowance: number): number {
    if (this.#isGrowing && this.#gain === STARTUP_GAIN) return this.cap;
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

  /** Data waits because this lane is full (true), or the lane has room or nothing waits (false). */
  setFull(isFull: boolean, now: number): void {
    if (isFull) this.#fullSince ??= now;
    else {
      this.#fullSince = null;
      this.#measuredAt = null;
      this.#clearSince = null;
    }
  }

  onAck(now: number, acknowledged: Acknowledged): void {
    const { bytes, sentAt, waitingSince, delay } = acknowledged;
    const last = this.#lastAckAt ?? now;
    this.#lastAckAt = now;
    this.#roundBytes += bytes;
    this.#delivered.add(now - last, bytes);
    const isOfFull = this.#fullSince !== null && sentAt !== null && sentAt >= this.#fullSince;
    // The first one counts with the silence before it, if the lane was full all that time.
    if (isOfFull && last >= this.#fullSince!) this.#measuredAt ??= last;
    if (this.#measuredAt !== null) this.#carried.add(now - this.#measuredAt, bytes);
    if (this.#measuredAt !== null || isOfFull) this.#measuredAt = now;
    if (sentAt !== null) {
      const rtt = Math.max(0.01, now - sentAt - delay);
      this.#trips.note(rtt, now);
      this.#silences.note(now - Math.max(last, waitingSince + this.minRtt), now);
      const queue = rtt - this.minRtt;
      if (queue > CLEAR_QUEUE) this.#ceiling.note(acknowledged.inFlight / queue, now);
      if (isOfFull) this.#notePhase(queue, now);
      // More than TCP's slow start can make of it.
      if (queue > this.minRtt + 2 * MIN_BURST) this.#isGrowing = false;
    }
    this.#updateRate(now);
    if (!this.#isGrowing) this.#cap = this.#steadyCap();
    else if (isOfFull && this.#mayGrow)
      this.#cap = Math.min(MAX_CAP, this.#cap + this.#gain * bytes);
  }

  /** The time up to now was lost to a pause: it says nothing about the rate. */
  excuse(now: number): void {
    this.#lastAckAt = now;
    if (this.#measuredAt !== null) this.#measuredAt = now;
  }

  /** The lane was silent for long and is back: what was known of its rate is void. */
  restart(): void {
    this.#carried.reset();
    this.#delivered.reset();
    this.#trips.cancelProbe();
    this.#rate = 0;
    this.#ceiling = new RecentMax(RATE_LONG);
    this.#cap = INITIAL_CAP;
    this.#isGrowing = true;
    this.#gain = STARTUP_GAIN;
    this.#isRateGrowing = true;
    this.#roundStart = null;
    this.#roundRate = 0;
    this.#lastAckAt = null;
    this.#measuredAt = null;
    this.#clearSince = null;
  }

  /** True when the minimum RTT is stale and the lane should drain its queue for one RTT. */
  wantsProbe(now: number): boolean {
    const isSteady = !this.#isGrowing && this.#measuredAt !== null;
    return isSteady && !this.isProbing && this.#trips.isStale(now);
  }

  get isProbing(): boolean {
    return this.#trips.isProbing;
  }

  startProbe(now: number): void {
    this.#trips.startProbe(now);
  }

  endProbe(now: number): void {
    this.#trips.endProbe(now);
  }

  #updateRate(now: number): void {
    const { srtt, minRtt } = this;
    const delivered = this.#delivered;
    const window = Math.max(
      this.#isGrowing ? RATE_STARTUP : RATE_SHORT,
      srtt,
      3 * this.habitualGap,
    );
    let rate = delivered.measured >= window ? delivered.rate(window) : 0;
    const { isMeasured } = this;
    if (isMeasured) {
      const short = Math.max(RATE_SHORT, 4 * minRtt, 3 * this.habitualGap);
      rate = Math.max(rate, this.#carried.rate(short));
      rate = Math.max(rate, this.#carried.rate(Math.max(RATE_LONG, 4 * srtt)));
    }
    // A lane that was never full may carry more than it was given.
    if (!isMeasured) rate = Math.max(rate, this.#cap / minRtt);
    // What waits in a queue of the route passes within the time that it waits, and more does not.
    this.#rate = Math.min(rate, this.#ceiling.get(now) ?? rate);
  }

  /** `queue`: how much longer than the bare route the acknowledged bytes took, ms. */
  #notePhase(queue: number, now: number): void {
    this.#isQueueSeen ||= queue > MIN_BURST;
    if (this.srtt - this.minRtt >= CLEAR_QUEUE) this.#clearSince = null;
    else this.#clearSince ??= now;
    if (!this.#isGrowing) {
      if (this.#clearSince === null || now - this.#clearSince < 2 * this.srtt) return;
      this.#isGrowing = true;
      this.#gain = CLIMB_GAIN;
      this.#isRateGrowing = false;
      this.#startRound(0, now);
    } else if (this.#roundStart === null) {
      this.#startRound(0, now);
    } else if (now - this.#roundStart >= Math.max(this.minRtt, ROUND_MIN)) {
      const rate = this.#roundBytes / (now - this.#roundStart);
      // While the rate still grows, the queue is that of TCP's own slow start.
      this.#isRateGrowing = rate >= (1 + this.#gain / 4) * this.#roundRate;
      this.#isGrowing = this.#isRateGrowing || !this.#isQueueSeen;
      this.#startRound(Math.max(rate, this.#roundRate), now);
    }
  }

  /** With a queue, the lane must show that its rate follows, and gets some more than that takes. */
  get #mayGrow(): boolean {
    if (!this.#isQueueSeen) return true;
    const isFirst = this.#roundRate === 0;
    return this.#isRateGrowing && (isFirst || this.#cap < 3 * this.#roundRate * this.minRtt);
  }

  #startRound(rateBefore: number, now: number): void {
    this.#roundStart = now;
    this.#roundRate = rateBefore;
    this.#roundBytes = 0;
    this.#isQueueSeen = false;
  }

  #steadyCap(): number {
    const rate = this.rate;
    const fast = Math.max(FAST_BURST_BYTES, rate * FAST_BURST_TIME);
    const allowance = Math.min(rate * this.burst, fast);
    const floor = Math.max(Math.min(FLOOR_BYTES, FLOOR_TIME * rate), 2 * this.chunk);
    return Math.min(MAX_CAP, Math.max(floor, rate * this.minRtt + allowance));
  }
}
