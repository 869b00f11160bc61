/** Silences that count as the route's own habit, ms. */
const MIN = 30;
const MAX = 2_000;
/** How long one is remembered, ms, and how many are. */
const MEMORY = 10_000;
const KEPT = 32;

/**
 * How long a route is known to be silent at a time, while something is in flight: a policed route
 * stops for a retransmission timeout, now and then.
 */
export class Silences {
  #recent: { readonly at: number; readonly length: number }[] = [];
  #habitual = 0;

  /** The second longest of the last seconds, ms: one outlier is not a habit. */
  get habitual(): number {
    return this.#habitual;
  }

  /** An acknowledgement came `length` ms after it could have. */
  note(length: number, now: number): void {
    const isNew = length > MIN && length < MAX;
    const oldest = this.#recent[0];
    const isOld = oldest !== undefined && now - oldest.at > MEMORY;
    if (!isNew && !isOld) return;
    if (isNew) this.#recent.push({ at: now, length });
    this.#recent = this.#recent.filter(({ at }) => now - at <= MEMORY).slice(-KEPT);
    let longest = 0;
    this.#habitual = 0;
    for (const silence of this.#recent) {
      if (silence.length > longest) {
        this.#habitual = longest;
        longest = silence.length;
      } else this.#habitual = Math.max(this.#habitual, silence.length);
    }
  }
}
