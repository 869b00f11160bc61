/** The largest of recent values: of this period and the one before, so no value lasts longer than two. */
export class RecentMax {
  readonly #period: number;
  #start = Number.NEGATIVE_INFINITY;
  #current = Number.NEGATIVE_INFINITY;
  #previous = Number.NEGATIVE_INFINITY;

  /** `period` in ms. */
  constructor(period: number) {
    this.#period = period;
  }

  note(value: number, now: number): void {
    this.#turn(now);
    this.#current = Math.max(this.#current, value);
  }

  /** @returns null without a recent value */
  get(now: number): number | null {
    this.#turn(now);
    const most = Math.max(this.#current, this.#previous);
    return most === Number.NEGATIVE_INFINITY ? null : most;
  }

  #turn(now: number): void {
    const age = now - this.#start;
    if (age < this.#period) return;
    this.#previous = age < 2 * this.#period ? this.#current : Number.NEGATIVE_INFINITY;
    this.#current = Number.NEGATIVE_INFINITY;
    this.#start = now;
  }
}
