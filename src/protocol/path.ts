import { ZERO } from '../core/zero.ts';
import { DeliveryRate, type RateSample } from './delivery-rate.ts';
import { Growth } from './growth.ts';
import { RoundTrips } from './round-trips.ts';
import { Silences } from './silences.ts';

/** Limits of what a lane may carry unacknowledged; ms and bytes. */
const INITIAL_CAP = 16 * 1024;
const MAX_CAP = 8 * 1024 * 1024;
/** A cap never falls below what a slow route carries in this time, nor above this many bytes for it. */
const FLOOR_TIME = 150;
const FLOOR_BYTES = 16 * 1024;
/** The least burst allowance, and the most, ms. */
const MIN_BURST = 25;
const MAX_BURST = 1_000;
/** On fast routes the allowance is bytes that stay in the processor's cache, but at least 5 ms. */
const FAST_BURST_BYTES = 2 * 1024 * 1024;
const FAST_BURST_TIME = 5;
/**
 * A route with a shorter round trip than this, ms, that is silent for about TCP's least retransmission
 * timeout, has lost what there was no memory for in a kernel. For a while it then gets so many bytes.
 */
const SHORT_RTT = 5;
const LOSS_SILENCE = 180;
const SPARING_TIME = 600_000;
const SPARING_BYTES = 512 * 1024;
/** Of what the bare route holds, so much is in flight while a probe lets the queue drain. */
const PROBE_SHARE = 0.9;
/** Lateness below this is no news, ms; the same while the round trip is not known. */
const LATE_MIN = 75;
const LATE_UNKNOWN = 1_000;
/** A chunk is what the lane carries in this time. */
const CHUNK_TIME = 10;
const MIN_CHUNK = 1_460;
const MAX_CHUNK = 1024 * 1024;

/** An acknowledgement, and the last of the flights that it ends. */
export interface Acknowledged {
  /** Newly acknowledged. */
  readonly bytes: number;
  /** When that flight was sent, ms; null if it says nothing of the RTT. */
  readonly sentAt: number | null;
  /** Null if no flight was ended. */
  readonly sample: RateSample | null;
  /** When the first of the flights was sent. */
  readonly waitingSince: number;
  /** How long the peer held the acknowledgement back, ms. */
  readonly delay: number;
  /** What is still in flight is later than the route's habit explains. */
  readonly isOverdue: boolean;
}

/**
 * What a sender knows of one lane's route: round-trip time, delivery rate, and how much may be in
 * flight so that the route is full and its queues are not.
 *
 *   cap = rate x (least RTT + burst allowance)
 *
 * While the rate is not known, the cap grows until it is.
 *
 * The allowance learns from the lane's own silences: a policed route stops for a retransmission
 * timeout at a time, and a cap without room for it would starve, then measure its own starvation.
 * Sources: BBR's model (draft-cardwell-iccrg-bbr-congestion-control).
 */
export class Path {
  readonly #trips = new RoundTrips();
  readonly #silences = new Silences();
  readonly #delivery = new DeliveryRate();
  readonly #growth = new Growth();
  // Looked at for each lane and frame, so these are fields; written here alone, by acknowledgements and probes.
  /** Bytes that may be in flight. */
  cap = ZERO;
  /** Estimated delivery rate, bytes per ms. */
  rate = ZERO;
  /** Payload bytes of a frame on this lane. */
  chunk = ZERO;
  /** The route's own delay there and back, ms; a guess before the first sample. */
  minRtt = ZERO;
  /** Smoothed RTT, ms; 0 before the first sample. */
  srtt = ZERO;
  /** The second longest silence of the last seconds, ms: what the route is known to do. */
  habitualGap = ZERO;
  isProbing = false;
  /** Data waits because this lane is full; see `setFull`. */
  isFull = false;
  /** The cap while no probe is on. */
  #cap = INITIAL_CAP;
  #lastAckAt: number | null = null;
  #wasOverdue = false;
  /** When the short route last lost what it had no memory for. */
  #overfilledAt = Number.NEGATIVE_INFINITY;
  #fullSince = ZERO;

  constructor() {
    this.#noteTrips();
    this.#estimate();
  }

  get rttvar(): number {
    return this.#trips.variation;
  }

  /** True once the full lane has shown its rate. */
  get isMeasured(): boolean {
    return this.#delivery.isMeasured;
  }

  get isKnown(): boolean {
    return this.#trips.isKnown;
  }

  /** What the full lane has carried over seconds, bytes per ms: the rate without its bursts. */
  get sustainedRate(): number {
    const { sustained } = this.#delivery;
    return sustained > 0 ? sustained : this.rate;
  }

  /** How long the route may pause without running dry, ms. */
  get burst(): number {
    return Math.min(MAX_BURST, Math.max(MIN_BURST, 1.25 * this.habitualGap));
  }

  /** How late an acknowledgement may be before it is news, ms. */
  get tolerance(): number {
    if (!this.isKnown) return LATE_UNKNOWN;
    // A lost packet costs a round trip.
    const least = this.isMeasured ? LATE_MIN : LATE_MIN + this.minRtt;
    return Math.max(least, this.minRtt, 2 * this.habitualGap);
  }

  /** The cap with a burst allowance of only `allowance` ms. */
  tightCap(allowance: number): number {
    if (this.#growth.isStart) return this.cap;
    return Math.min(
      this.cap,
      Math.max(2 * this.chunk, this.sustainedRate * (this.minRtt + allowance)),
    );
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
    if (isFull && !this.isFull) this.#fullSince = now;
    if (!isFull) this.#growth.pause();
    this.isFull = isFull;
  }

  /** For how long it has been full without a break, ms. */
  fullFor(now: number): number {
    return this.isFull ? now - this.#fullSince : 0;
  }

  onAck(now: number, acknowledged: Acknowledged): void {
    const { bytes, sentAt, sample, waitingSince, delay, isOverdue } = acknowledged;
    const last = this.#lastAckAt ?? now;
    this.#lastAckAt = now;
    this.#growth.count(bytes);
    if (this.isFull && last >= this.#fullSince) this.#delivery.carry(now - last, bytes);
    if (sentAt === null) return;
    const isOfFull = this.isFull && sentAt >= this.#fullSince;
    const rtt = Math.max(0.01, now - sentAt - delay);
    this.#trips.note(rtt, now);
    this.#noteTrips();
    const silence = now - Math.max(last, waitingSince + this.minRtt);
    this.#noteSilence(silence, isOverdue, now);
    if (silence >= LOSS_SILENCE && this.minRtt < SHORT_RTT) this.#overfilledAt = now;
    // A route that never paused and falls behind has become slower.
    if (isOverdue && this.habitualGap === 0) this.#delivery.forgetBest();
    if (sample !== null) this.#noteRate(sample, isOfFull || isOverdue, now);
    if (isOfFull) this.#growth.note(rtt - this.minRtt, this.minRtt, this.srtt, now);
    this.#estimate();
    if (!this.#growth.isOn || this.#isSparing(now)) this.#cap = this.#steadyCap(now);
    else if (isOfFull)
      this.#cap = Math.min(MAX_CAP, this.#cap + this.#growth.by(bytes, this.#cap, this.minRtt));
    else return;
    this.#estimate();
  }

  #estimate(): void {
    const { current } = this.#delivery;
    this.rate = current > 0 ? current : this.#cap / this.minRtt;
    // Several chunks must fit under the cap, or acknowledgements could not overlap with sending.
    const most = Math.min(MAX_CHUNK, this.#cap / 4);
    this.chunk = Math.floor(Math.max(MIN_CHUNK, Math.min(most, this.rate * CHUNK_TIME)));
    this.#setCap();
  }

  #noteTrips(): void {
    const { smoothed, least, isProbing } = this.#trips;
    this.srtt = smoothed;
    this.minRtt = least;
    this.isProbing = isProbing;
    this.#setCap();
  }

  #setCap(): void {
    const bare = Math.max(2 * MIN_CHUNK, this.rate * this.minRtt * PROBE_SHARE);
    this.cap = this.isProbing ? bare : this.#cap;
  }

  /** In the last `time` ms up to now nobody could have heard of the route. */
  excuse(time: number, now: number): void {
    if (this.#lastAckAt !== null) this.#lastAckAt = Math.min(now, this.#lastAckAt + time);
  }

  /** The lane was silent for long and is back: what was known of its rate is void. */
  restart(): void {
    this.#delivery.reset();
    this.#growth.restart();
    this.#trips.cancelProbe();
    this.#noteTrips();
    this.#cap = INITIAL_CAP;
    this.#lastAckAt = null;
    this.#estimate();
  }

  /** True when the minimum RTT is stale and the lane should drain its queue for one RTT. */
  wantsProbe(now: number): boolean {
    const isSteady = !this.#growth.isOn && this.isFull;
    return isSteady && !this.isProbing && this.#trips.isStale(now);
  }

  startProbe(now: number): void {
    this.#trips.startProbe(now);
    this.#noteTrips();
  }

  /** Ends it if it is time to. */
  endProbe(now: number): void {
    this.#trips.endProbe(now);
    this.#noteTrips();
  }

  #noteRate(sample: RateSample, isOfFull: boolean, now: number): void {
    // Less than a round trip tells of the sender's bursts.
    if (sample.elapsed <= 0 || sample.elapsed < 0.9 * this.minRtt) return;
    this.#delivery.note(sample, isOfFull, now);
    this.#delivery.assume(this.#cap / this.minRtt);
  }

  /** What TCP's slow start does to the route is no habit of it; of one trouble, a single silence counts. */
  #noteSilence(silence: number, isOverdue: boolean, now: number): void {
    this.#silences.note(this.#growth.isStart || this.#wasOverdue ? 0 : silence, now);
    this.habitualGap = this.#silences.habitual;
    this.#wasOverdue = isOverdue;
  }

  #isSparing(now: number): boolean {
    return now - this.#overfilledAt < SPARING_TIME;
  }

  #steadyCap(now: number): number {
    const rate = this.rate;
    const fast = this.#isSparing(now)
      ? SPARING_BYTES
      : Math.max(FAST_BURST_BYTES, rate * FAST_BURST_TIME);
    const allowance = Math.min(rate * this.burst, fast);
    const floor = Math.max(Math.min(FLOOR_BYTES, FLOOR_TIME * rate), 2 * this.chunk);
    return Math.min(MAX_CAP, Math.max(floor, rate * this.minRtt + allowance));
  }
}
