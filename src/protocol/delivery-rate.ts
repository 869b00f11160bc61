import { ZERO } from '../core/zero.ts';
import { RateMeter } from '../data/rate-meter.ts';
import { RecentMax } from '../data/recent-max.ts';

/** The best rate of this time counts, and of as much before it, ms. */
const MEMORY = 1_500;
/** The average over so much time in which the lane was full is what it carries in the long run, ms. */
const SUSTAINED = 4_000;

/** So much was delivered in so many ms. */
export interface RateSample {
  readonly bytes: number;
  readonly elapsed: number;
}

/**
 * What a route delivers, bytes per ms: the best of recent samples, because a lane that pauses or was
 * starved has not become slower. What was sent while the lane had room tells the least that the route
 * carries, and no more (draft-cheng-iccrg-delivery-rate-estimation, "application-limited").
 */
export class DeliveryRate {
  /** All that came while the lane was full. */
  readonly #carried = new RateMeter(SUSTAINED);
  /** Of samples sent while the lane was full. */
  #best = new RecentMax(MEMORY);
  #current = ZERO;
  #isMeasured = false;

  /** 0 before the first sample. */
  get current(): number {
    return this.#current;
  }

  /** The average over seconds, without bursts: never above the current one; 0 while not known. */
  get sustained(): number {
    return Math.min(this.#carried.rate(SUSTAINED), this.#current);
  }

  /** True once the full lane has shown its rate. */
  get isMeasured(): boolean {
    return this.#isMeasured;
  }

  note({ bytes, elapsed }: RateSample, isOfFull: boolean, now: number): void {
    const sample = bytes / elapsed;
    if (isOfFull) {
      this.#isMeasured = true;
      this.#best.note(sample, now);
    }
    this.#current = Math.max(sample, this.#best.get(now) ?? this.#current);
  }

  /** `bytes` came in `elapsed` ms, in all of which the lane was full. */
  carry(elapsed: number, bytes: number): void {
    this.#carried.add(elapsed, bytes);
  }

  /** A lane that was never full may carry more than it was given: it counts as no slower than this. */
  assume(rate: number): void {
    if (!this.#isMeasured) this.#current = Math.max(this.#current, rate);
  }

  /** The route has become slower: better samples than the next are of the past. */
  forgetBest(): void {
    this.#best = new RecentMax(MEMORY);
  }

  reset(): void {
    this.forgetBest();
    this.#current = 0;
    this.#isMeasured = false;
  }
}
