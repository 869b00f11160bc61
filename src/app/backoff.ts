/** The pause after a failure grows from the first to the second, ms; to the third after a minute of failures. */
const FIRST_PAUSE = 100;
const MAX_PAUSE = 1_000;
const LONG_PAUSE = 10_000;
const LONG_AFTER = 60_000;
/** What ends sooner than this was no success, ms. */
const LASTING = 1_000;

/**
 * How long to wait before something is tried again: longer with each failure, and not at all after a
 * success that has lasted, or long after the last failure. Half of a pause is fixed and half is chance, so that those who failed
 * together do not all come back in the same moment.
 */
export class Backoff {
  #pause = 0;
  #failingSince: number | null = null;
  #failedAt = Number.NEGATIVE_INFINITY;
  /** When the last try succeeded, until that has lasted or ended. */
  #successAt: number | null = null;

  /** ms from now to the next try; `chance` in [0, 1). */
  pause(chance: number, now: number): number {
    this.#forgive(now);
    return Math.max(0, this.#failedAt + (this.#pause * (1 + chance)) / 2 - now);
  }

  onSuccess(now: number): void {
    this.#successAt = now;
  }

  /** What a success has brought is gone. */
  onEnd(now: number): void {
    this.#forgive(now);
    if (this.#successAt !== null) this.onFailure(now);
    this.#successAt = null;
  }

  onFailure(now: number): void {
    this.#forgive(now);
    this.#failingSince ??= now;
    this.#failedAt = now;
    const most = now - this.#failingSince > LONG_AFTER ? LONG_PAUSE : MAX_PAUSE;
    this.#pause = Math.min(most, Math.max(FIRST_PAUSE, this.#pause * 2));
  }

  #forgive(now: number): void {
    const hasLasted = this.#successAt !== null && now - this.#successAt >= LASTING;
    if (!hasLasted && now - this.#failedAt <= LONG_AFTER) return;
    if (hasLasted) this.#successAt = null;
    this.#failingSince = null;
    this.#pause = 0;
  }
}
