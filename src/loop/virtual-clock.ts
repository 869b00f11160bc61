import type { Clock, Timer } from './clock.ts';

interface Deadline extends Timer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
  cancelled: boolean;
}

/**
 * Time that moves only when told: for tests and simulations. Deadlines fire in order of time,
 * equal ones in the order in which they were set, so a run is a function of its inputs.
 */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  /** A binary min-heap by (at, order). */
  readonly #heap: Deadline[] = [];

  now(): number {
    return this.#now;
  }

  at(deadline: number, fn: () => void): Timer {
    const entry: Deadline = {
      at: Math.max(deadline, this.#now),
      order: this.#order++,
      fn,
      cancelled: false,
      cancel: () => {
        entry.cancelled = true;
      },
    };
    this.#push(entry);
    return entry;
  }

  soon(fn: () => void): void {
    this.at(this.#now, fn);
  }

  /** Fires the earliest deadline; false when none is left. */
  step(): boolean {
    for (;;) {
      const entry = this.#pop();
      if (entry === undefined) return false;
      if (entry.cancelled) continue;
      this.#now = entry.at;
      entry.fn();
      return true;
    }
  }

  /** Fires all deadlines up to `time` and stops there. */
  runUntil(time: number): void {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.at > time) break;
      this.step();
    }
    this.#now = Math.max(this.#now, time);
  }

  /** Deadlines that are set and not cancelled. */
  get pending(): number {
    return this.#heap.reduce((count, entry) => count + (entry.cancelled ? 0 : 1), 0);
  }

  #push(entry: Deadline): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Deadline | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Deadline, b: Deadline): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
