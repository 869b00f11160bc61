import { Deque } from './deque.ts';

/** Whoever can wait in a `OnceQueue`. */
export interface Waiter {
  /** Two bits for each queue in which it waits: the queues' business. */
  waits: number;
}

/** Places of those that have left may be so many, and as many as there are others. */
const EMPTY_PLACES = 16;

/**
 * A queue in which each item waits once at most, in the order of their coming. A `Set` would do as much,
 * and harm the collection of garbage; see `Roster`.
 *
 * Who leaves before its turn leaves an empty place, which is passed over when its turn comes.
 *
 * Invariant: an item has one place at most.
 */
export class OnceQueue<T extends Waiter> {
  /** How many wait; written here alone. */
  size = 0;
  readonly #waiting: number;
  readonly #left: number;
  readonly #places = new Deque<T>();

  /** `number`: 0 to 14, this queue's among all in which the same items wait. */
  constructor(number: number) {
    this.#waiting = 1 << (2 * number);
    this.#left = this.#waiting << 1;
  }

  has(item: T): boolean {
    return (item.waits & this.#waiting) !== 0;
  }

  /** Nothing changes for an item that waits already. */
  push(item: T): void {
    if (this.has(item)) return;
    if ((item.waits & this.#left) !== 0) this.#closeRanks();
    item.waits |= this.#waiting;
    this.size += 1;
    this.#places.push(item);
  }

  shift(): T | undefined {
    for (;;) {
      const item = this.#places.shift();
      if (item === undefined) return undefined;
      const isWaiting = this.has(item);
      item.waits &= ~(this.#waiting | this.#left);
      if (!isWaiting) continue;
      this.size -= 1;
      return item;
    }
  }

  /** The item waits no longer, if it did. */
  delete(item: T): void {
    if (!this.has(item)) return;
    item.waits ^= this.#waiting | this.#left;
    this.size -= 1;
    if (this.#places.length > 2 * this.size + EMPTY_PLACES) this.#closeRanks();
  }

  clear(): void {
    while (this.shift() !== undefined);
  }

  /** Does away with empty places. */
  #closeRanks(): void {
    for (let count = this.#places.length; count > 0; count -= 1) {
      const item = this.#places.shift()!;
      if (this.has(item)) this.#places.push(item);
      else item.waits &= ~this.#left;
    }
  }
}
