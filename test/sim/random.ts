/**
 * Randomness that is a function of its seed alone, on every machine: mulberry32, integers only, so
 * that no rounding of a platform's mathematics gets in.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** Both ends included. */
  int(low: number, high: number): number {
    return low + Math.floor((high - low + 1) * this.next());
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!;
  }

  /** As `between`, but evenly over the orders of magnitude in steps of two. */
  scaled(low: number, high: number): number {
    let steps = 0;
    for (let value = low; value * 2 <= high; value *= 2) steps += 1;
    const base = low * 2 ** this.int(0, steps);
    return Math.min(high, base * this.between(1, 2));
  }

  /** A generator of its own, so that what one part draws does not shift another's draws. */
  fork(): Random {
    return new Random(Math.floor(this.next() * 0x1_0000_0000));
  }
}
