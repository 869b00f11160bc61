/**
 * Remembers which ids of a rising sequence have been used, in memory proportional to the gaps and
 * not to the ids: ids arrive nearly in order, each is used once, and none may be used again.
 */
export class IdSet {
  readonly #missing = new Set<number>();
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  /** Ids below the highest that have not been used yet. */
  get gaps(): number {
    return this.#missing.size;
  }

  has(id: number): boolean {
    return id < this.#next && !this.#missing.has(id);
  }

  /** How many gaps `add(id)` would make. */
  gapsBefore(id: number): number {
    return Math.max(0, id - this.#next);
  }

  add(id: number): void {
    if (id < this.#next) {
      this.#missing.delete(id);
      return;
    }
    for (let gap = this.#next; gap < id; gap += 1) this.#missing.add(gap);
    this.#next = id + 1;
  }
}
