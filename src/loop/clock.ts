/** A deadline that can be taken back. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as the layers above the protocol see it: milliseconds, monotonic, fractional, of unknown
 * origin. One implementation runs on Node, one in virtual time.
 */
export interface Clock {
  now(): number;
  /** Calls `fn` once, when `now() >= deadline`, never from inside `at()`. A timer keeps the process alive. */
  at(deadline: number, fn: () => void): Timer;
  /** Calls `fn` once, after the events of this turn of the loop. */
  soon(fn: () => void): void;
}
