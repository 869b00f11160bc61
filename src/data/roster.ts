/** Where an item stands in its roster. */
export interface Seat<T> {
  readonly item: T;
  /** Below 0 once it is removed; the roster's business. */
  at: number;
}

/**
 * Items in no order that come and go by the thousand per second: a `Set`, but for what V8 makes of one. A
 * `Set` moves to a new table now and then, and the old one points to the new one and still holds its items:
 * once an old table has grown old in the collector's eyes, whatever any later one held stays until the
 * next full collection (docs/adr/0017).
 */
export class Roster<T> {
  readonly #seats: Seat<T>[] = [];

  get size(): number {
    return this.#seats.length;
  }

  /** @returns what `remove` takes */
  add(item: T): Seat<T> {
    const seat = { item, at: this.#seats.length };
    this.#seats.push(seat);
    return seat;
  }

  /** @returns false if it was removed before */
  remove(seat: Seat<T>): boolean {
    const { at } = seat;
    if (at < 0) return false;
    const last = this.#seats.pop()!;
    if (last !== seat) {
      this.#seats[at] = last;
      last.at = at;
    }
    seat.at = -1;
    return true;
  }

  /** Nothing may be added or removed meanwhile. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const { item } of this.#seats) yield item;
  }

  /** Removes all. @returns what was in it */
  takeAll(): T[] {
    const seats = this.#seats.splice(0);
    for (const seat of seats) seat.at = -1;
    return seats.map(({ item }) => item);
  }
}
