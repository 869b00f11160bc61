import { performance } from 'node:perf_hooks';
import type { Clock, Timer } from './clock.ts';

/** Node's monotonic clock and timers. A timer may fire up to about 1 ms late, never early. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  at(deadline: number, fn: () => void): Timer {
    const handle = setTimeout(fn, Math.max(0, Math.ceil(deadline - performance.now())));
    return { cancel: () => clearTimeout(handle) };
  },
  soon(fn: () => void): void {
    setImmediate(fn);
  },
};
