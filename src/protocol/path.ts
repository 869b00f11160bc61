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
const MAX_BURST = 1_000;
/** On fast routes the allowance is bytes that stay in the processor's cache, but at least 5 ms. */
const FAST_BURST_BYTES = 2 * 1024 * 1024;
const FAST_BURST_TIME = 5;
/** A full lane with less queue than this for two round trips could carry more, ms: a chunk's time. */
const CLEAR_QUEUE = 10;
/** Of what the bare route holds, so much is in flight while a probe lets the queue drain. */
const PROBE_SHARE = 0.9;
/** Growth of the cap per byte acknowledged: at the start, and when a full lane shows no queue. */
const STARTUP_GAIN = 2;
const CLIMB_GAIN = 0.5;
/** Growth is judged once per least RTT, and not more often than this, ms. */
const ROUND_MIN = 20;
/** It ends when there is a queue and the rate has not grown in so many rounds. */
const FLAT_ROUNDS = 2;
/** TCP's window doubles in a round; to be what limits the route, it needs more than that ahead of it. */
const AHEAD = 2.5;
/** Lateness below this is no news, ms; the same while the round trip is not known. */
const LATE_MIN = 75;
const LATE_UNKNOWN = 1_000;
/** A chunk is what the lane carries in this time. */
const CHUNK_TIME = 10;
const MIN_CHUNK = 1_460;
const MAX_CHUNK = 512 * 1024;
/** The best rate of this time counts, and of as much before it, ms. */
const RATE_MEMORY = 1_500;
/** The average over so much time in which the lane was full is what it carries in the long run, ms. */
const SUSTAINED = 4_000;

/** So much was delivered in so many ms. */
export interface RateSample {
  readonly bytes: number;
  readonly elapsed: number;
}

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
  /** All that came while the lane was full. */
  readonly #carried = new RateMeter(SUSTAINED);
  /** Of what was sent while the lane was full, bytes per ms. */
  #best = new RecentMax(RATE_MEMORY);
  #isMeasured = false;
  #wasOverdue = false;
  /** Bytes per ms. */
  #rate = 0;
  #cap = INITIAL_CAP;
  #isGrowing = true;
  /** Growth of the cap per byte acknowledged. */
  #gain = STARTUP_GAIN;
  #lastAckAt: number | null = null;
  /** Since when data has waited because this lane is full. */
  #fullSince: number | null = null;
  // Growth goes by rounds of one least RTT, in which the lane is full.
  #roundStart: number | null = null;
  #roundBytes = 0;
  /** The best of the rounds before. */
  #roundRate = 0;
  #isQueueSeen = false;
  /** Rounds since the rate last grew. */
  #flatRounds = 0;
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

  /** True once the full lane has shown its rate. */
  get isMeasured(): boolean {
    return this.#isMeasured;
  }

  get isGrowing(): boolean {
    return this.#isGrowing;
  }

  get isKnown(): boolean {
    return this.#trips.isKnown;
  }

  /** Estimated delivery rate, bytes per ms. */
  get rate(): number {
    return this.#rate > 0 ? this.#rate : this.#cap / this.minRtt;
  }

  /** What the full lane has carried over seconds, bytes per ms: the rate without its bursts. */
  get sustainedRate(): number {
    const rate = this.#carried.rate(SUSTAINED);
    return rate > 0 ? Math.min(rate, this.rate) : this.rate;
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
    if (this.#isStarting) return this.cap;
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
      this.#clearSince = null;
    }
  }

  onAck(now: number, acknowledged: Acknowledged): void {
    const { bytes, sentAt, sample, waitingSince, delay, isOverdue } = acknowledged;
    const last = this.#lastAckAt ?? now;
    this.#lastAckAt = now;
    this.#roundBytes += bytes;
    if (this.#fullSince !== null && last >= this.#fullSince) this.#carried.add(now - last, bytes);
    if (sentAt === null) return;
    const isOfFull = this.#fullSince !== null && sentAt >= this.#fullSince;
    const rtt = Math.max(0.01, now - sentAt - delay);
    this.#trips.note(rtt, now);
    const silence = now - Math.max(last, waitingSince + this.minRtt);
    // What TCP's slow start does to the route is no habit of it; of one trouble, a single silence counts.
    this.#silences.note(this.#isStarting || this.#wasOverdue ? 0 : silence, now);
    this.#wasOverdue = isOverdue;
    // A route that never paused and falls behind has become slower.
    if (isOverdue && this.habitualGap === 0) this.#best = new RecentMax(RATE_MEMORY);
    if (sample !== null) this.#noteRate(sample, isOfFull || isOverdue, now);
    const queue = rtt - this.minRtt;
    if (isOfFull) this.#notePhase(queue, now);
    // More than TCP's slow start can make of it.
    if (queue > 2 * this.minRtt + 2 * MIN_BURST) this.#isGrowing = false;
    if (!this.#isGrowing) this.#cap = this.#steadyCap();
    else if (isOfFull && this.#mayGrow)
      this.#cap = Math.min(MAX_CAP, this.#cap + this.#gain * bytes);
  }

  /** In the last `time` ms up to now nobody could have heard of the route. */
  excuse(time: number, now: number): void {
    if (this.#lastAckAt !== null) this.#lastAckAt = Math.min(now, this.#lastAckAt + time);
  }

  /** The lane was silent for long and is back: what was known of its rate is void. */
  restart(): void {
    this.#best = new RecentMax(RATE_MEMORY);
    this.#trips.cancelProbe();
    this.#rate = 0;
    this.#isMeasured = false;
    this.#cap = INITIAL_CAP;
    this.#isGrowing = true;
    this.#gain = STARTUP_GAIN;
    this.#flatRounds = 0;
    this.#roundStart = null;
    this.#roundRate = 0;
    this.#lastAckAt = null;
    this.#clearSince = null;
  }

  /** True when the minimum RTT is stale and the lane should drain its queue for one RTT. */
  wantsProbe(now: number): boolean {
    const isSteady = !this.#isGrowing && this.#fullSince !== null;
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

  /** What was sent while the lane had room tells what the route carries at least. */
  #noteRate({ bytes, elapsed }: RateSample, isOfFull: boolean, now: number): void {
    if (elapsed <= 0 || elapsed < 0.9 * this.minRtt) return;
    const sample = bytes / elapsed;
    if (isOfFull) {
      this.#isMeasured = true;
      this.#best.note(sample, now);
    }
    this.#rate = Math.max(sample, this.#best.get(now) ?? this.#rate);
    // A lane that was never full may carry more than it was given.
    if (!this.#isMeasured) this.#rate = Math.max(this.#rate, this.#cap / this.minRtt);
  }

  get #isStarting(): boolean {
    return this.#isGrowing && this.#gain === STARTUP_GAIN;
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
      this.#flatRounds = FLAT_ROUNDS - 1;
      this.#startRound(0, now);
    } else if (this.#roundStart === null) {
      this.#startRound(0, now);
    } else if (now - this.#roundStart >= Math.max(this.minRtt, ROUND_MIN)) {
      const rate = this.#roundBytes / (now - this.#roundStart);
      // While the rate still grows, the queue is that of TCP's own slow start.
      const isRateGrowing = rate >= (1 + this.#gain / 8) * this.#roundRate;
      this.#flatRounds = isRateGrowing || !this.#isQueueSeen ? 0 : this.#flatRounds + 1;
      this.#isGrowing = this.#flatRounds < FLAT_ROUNDS;
      this.#startRound(Math.max(rate, this.#roundRate), now);
    }
  }

  /** With a queue, the lane must show that its rate follows, and gets some more than that takes. */
  get #mayGrow(): boolean {
    if (!this.#isQueueSeen) return true;
    if (this.#roundRate === 0) return true;
    return this.#flatRounds === 0 && this.#cap < AHEAD * this.#roundRate * this.minRtt;
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
