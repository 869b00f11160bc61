import { ZERO } from '../core/zero.ts';

/** Counts events in fixed periods and says when there are too many: a limit on what a peer may ask for. */
export class RateGuard {
  readonly #most: number;
  readonly #period: number;
  #start = ZERO;
  #count = 0;

  /** At most `most` events in any one period of `period` ms. */
  constructor(most: number, period: number) {
    this.#most = most;
    this.#period = period;
  }

  /** @returns false when this event is one too many */
  allow(now: number): boolean {
    if (now - this.#start >= this.#period) {
      this.#start = now;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count <= this.#most;
  }
}
