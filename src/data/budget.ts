/** A bound on memory that several owners share. Taking is never refused here: who takes, asks first. */
export class Budget {
  readonly limit: number;
  #used = 0;
  readonly #waiters = new Set<() => void>();

  /** `limit` in bytes. */
  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  get free(): number {
    return Math.max(0, this.limit - this.#used);
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (this.#waiters.size === 0 || this.free === 0) return;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const onFree of waiters) onFree();
  }

  /** `onFree` is called once, from inside of whoever's `give` that leaves something free. */
  wait(onFree: () => void): void {
    this.#waiters.add(onFree);
  }

  forget(onFree: () => void): void {
    this.#waiters.delete(onFree);
  }
}
