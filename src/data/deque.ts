/** A double-ended queue on a circular array: every end operation in constant time. */
export class Deque<T> {
  /** How many items there are; written here alone. */
  length = 0;
  #items: (T | undefined)[] = new Array(8);
  #head = 0;

  get first(): T | undefined {
    return this.length === 0 ? undefined : this.#items[this.#head];
  }

  get last(): T | undefined {
    return this.length === 0 ? undefined : this.#items[this.#slot(this.length - 1)];
  }

  /** The item `index` places behind the first. */
  at(index: number): T | undefined {
    return index < 0 || index >= this.length ? undefined : this.#items[this.#slot(index)];
  }

  push(item: T): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[this.#slot(this.length)] = item;
    this.length += 1;
  }

  unshift(item: T): void {
    if (this.length === this.#items.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#items.length - 1);
    this.#items[this.#head] = item;
    this.length += 1;
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.length -= 1;
    return item;
  }

  clear(): void {
    this.#items = new Array(8);
    this.#head = 0;
    this.length = 0;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = 0; index < this.length; index += 1) yield this.#items[this.#slot(index)]!;
  }

  /** Invariant: the capacity is a power of two, so a slot is a mask away. */
  #slot(index: number): number {
    return (this.#head + index) & (this.#items.length - 1);
  }

  #grow(): void {
    const items: (T | undefined)[] = new Array(this.#items.length * 2);
    for (let index = 0; index < this.length; index += 1) {
      items[index] = this.#items[this.#slot(index)];
    }
    this.#items = items;
    this.#head = 0;
  }
}
