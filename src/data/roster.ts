/** Where an item stands in its roster. */
export interface Place<T> {
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
  readonly #places: Place<T>[] = [];

  get size(): number {
    return this.#places.length;
  }

  /** @returns what `remove` takes */
  add(item: T): Place<T> {
    const place = { item, at: this.#places.length };
    this.#places.push(place);
    return place;
  }

  /** @returns false if it was removed before */
  remove(place: Place<T>): boolean {
    const { at } = place;
    if (at < 0) return false;
    const last = this.#places.pop()!;
    if (last !== place) {
      this.#places[at] = last;
      last.at = at;
    }
    place.at = -1;
    return true;
  }

  /** Nothing may be added or removed meanwhile. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const { item } of this.#places) yield item;
  }

  /** Removes all. @returns what was in it */
  takeAll(): T[] {
    const places = this.#places.splice(0);
    for (const place of places) place.at = -1;
    return places.map(({ item }) => item);
  }
}
