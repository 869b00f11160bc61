import { ZERO } from '../core/zero.ts';

/** A queue shorter than this is none, ms. */
const SOME_QUEUE = 25;
/** A full lane with less queue than this for two round trips could carry more, ms: a chunk's time. */
const CLEAR_QUEUE = 10;
/** Growth of the cap per byte acknowledged: at the start, and when a full lane shows no queue. */
const STARTUP_GAIN = 2;
const CLIMB_GAIN = 0.5;
/** Growth is judged once per least RTT, and not more often than this, ms. */
const ROUND_MIN = 20;
/** It ends when there is a queue and the rate has not grown in so many rounds. */
const FLAT_ROUNDS = 2;
/** TCP's window doubles in a round; to be what limits the route, it needs more than that ahead of it. */
const AHEAD = 2.5;

/**
 * Whether a lane's cap should grow, and how fast.
 *
 *   starting --a queue, and the rate no longer grows--> steady
 *                                                        |  ^
 *                               full for long, no queue  v  |  as above
 *                                                       climbing
 *
 * It goes by rounds of one least RTT in which the lane is full. TCP's own slow start is at work below,
 * so that a queue alone proves nothing while the rate still grows.
 */
export class Growth {
  #isOn = true;
  #gain = STARTUP_GAIN;
  #roundStart: number | null = null;
  #roundBytes = ZERO;
  /** The best of the rounds before, bytes per ms. */
  #roundRate = ZERO;
  #isQueueSeen = false;
  /** Rounds since the rate last grew. */
  #flatRounds = 0;
  /** Since when the full lane has shown no queue. */
  #clearSince: number | null = null;

  get isOn(): boolean {
    return this.#isOn;
  }

  /** True until the lane has found its rate for the first time. */
  get isStart(): boolean {
    return this.#isOn && this.#gain === STARTUP_GAIN;
  }

  /** What `bytes` more, acknowledged, add to the cap: 0 unless the rate follows. */
  by(bytes: number, cap: number, minRtt: number): number {
    const isFollowed =
      this.#roundRate === 0 || (this.#flatRounds === 0 && cap < AHEAD * this.#roundRate * minRtt);
    return this.#isQueueSeen && !isFollowed ? 0 : this.#gain * bytes;
  }

  /** `bytes` were acknowledged, whenever sent. */
  count(bytes: number): void {
    this.#roundBytes += bytes;
  }

  /** What was sent while the lane was full came back `queue` ms later than over the bare route. */
  note(queue: number, minRtt: number, srtt: number, now: number): void {
    this.#isQueueSeen ||= queue > SOME_QUEUE;
    if (srtt - minRtt >= CLEAR_QUEUE) this.#clearSince = null;
    else this.#clearSince ??= now;
    if (!this.#isOn) {
      if (this.#clearSince !== null && now - this.#clearSince >= 2 * srtt) this.#climb(now);
    } else if (this.#roundStart === null) {
      this.#startRound(0, now);
    } else if (now - this.#roundStart >= Math.max(minRtt, ROUND_MIN)) {
      this.#endRound(this.#roundBytes / (now - this.#roundStart), now);
    }
    // More than TCP's slow start can make of it.
    if (queue > 2 * minRtt + 2 * SOME_QUEUE) this.#isOn = false;
  }

  /** The lane has room: whether it has a queue is not to be known. */
  pause(): void {
    this.#clearSince = null;
  }

  restart(): void {
    this.#isOn = true;
    this.#gain = STARTUP_GAIN;
    this.#flatRounds = 0;
    this.#roundStart = null;
    this.#roundRate = 0;
    this.#clearSince = null;
  }

  #climb(now: number): void {
    this.#isOn = true;
    this.#gain = CLIMB_GAIN;
    this.#flatRounds = FLAT_ROUNDS - 1;
    this.#startRound(0, now);
  }

  #endRound(rate: number, now: number): void {
    const isRateGrowing = rate >= (1 + this.#gain / 8) * this.#roundRate;
    this.#flatRounds = isRateGrowing || !this.#isQueueSeen ? 0 : this.#flatRounds + 1;
    this.#isOn = this.#flatRounds < FLAT_ROUNDS;
    this.#startRound(Math.max(rate, this.#roundRate), now);
  }

  #startRound(rateBefore: number, now: number): void {
    this.#roundStart = now;
    this.#roundRate = rateBefore;
    this.#roundBytes = 0;
    this.#isQueueSeen = false;
  }
}
