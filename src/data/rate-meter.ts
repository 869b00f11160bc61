import { ZERO } from '../core/zero.ts';
import { Deque } from './deque.ts';

interface Sample {
  /** Measured time at the sample, ms. */
  readonly time: number;
  /** Bytes delivered in measured time, up to the sample. */
  readonly bytes: number;
}

/**
 * The rate of delivery over the recent past, counting only the time in which the sender had more to
 * send than it was allowed to: an idle or application-limited lane says nothing about its route
 * (draft-cheng-iccrg-delivery-rate-estimation, "application-limited").
 */
export class RateMeter {
  readonly #samples = new Deque<Sample>();
  readonly #longest: number;
  #time = ZERO;
  #bytes = ZERO;

  /** `longest`: how far back a rate may be asked for, in ms of measured time. */
  constructor(longest: number) {
    this.#longest = longest;
    this.#samples.push({ time: ZERO, bytes: ZERO });
  }

  /** Measured time so far, ms. */
  get measured(): number {
    return this.#time;
  }

  /** `bytes` were delivered in the `elapsed` ms since the last call. */
  add(elapsed: number, bytes: number): void {
    this.#time += elapsed;
    this.#bytes += bytes;
    const last = this.#samples.last;
    if (last !== undefined && this.#time - last.time < this.#longest / 64) return;
    this.#samples.push({ time: this.#time, bytes: this.#bytes });
    for (;;) {
      const second = this.#samples.at(1);
      if (second === undefined || second.time > this.#time - this.#longest) break;
      this.#samples.shift();
    }
  }

  /** Bytes per ms over the last `window` ms of measured time (or over all of it, if less). */
  rate(window: number): number {
    const from = this.#time - window;
    let low = 0;
    let high = this.#samples.length - 1;
    // The latest sample that is at least `window` old.
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#samples.at(middle)!.time <= from) low = middle;
      else high = middle - 1;
    }
    const start = this.#samples.at(low)!;
    const elapsed = this.#time - start.time;
    return elapsed > 0 ? (this.#bytes - start.bytes) / elapsed : 0;
  }

  reset(): void {
    this.#samples.clear();
    this.#time = ZERO;
    this.#bytes = ZERO;
    this.#samples.push({ time: ZERO, bytes: ZERO });
  }
}
