import { performance } from 'node:perf_hooks';
import type { Clock, Timer } from './clock.ts';
import { turn } from './turn.ts';

/** Node's monotonic clock and timers. A timer may fire a ms or two late, never early. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  at(deadline: number, fn: () => void): Timer {
    return new NodeTimer(deadline, fn);
  },
  soon(fn: () => void): void {
    turn.atEnd(fn);
  },
};

class NodeTimer implements Timer {
  readonly #deadline: number;
  readonly #fn: () => void;
  #handle: NodeJS.Timeout;

  constructor(deadline: number, fn: () => void) {
    this.#deadline = deadline;
    this.#fn = fn;
    this.#handle = this.#arm();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  #arm(): NodeJS.Timeout {
    const delay = Math.ceil(this.#deadline - performance.now());
    return setTimeout(this.#onTimeout, Math.max(0, delay));
  }

  readonly #onTimeout = (): void => {
    // The event loop counts whole ms from its own, older, idea of now.
    if (performance.now() < this.#deadline) this.#handle = this.#arm();
    else this.#fn();
  };
}
