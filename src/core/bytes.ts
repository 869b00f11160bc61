/**
 * A copy that shares no memory with `bytes`. `slice()` would not do: chunks may be Node's `Buffer`s,
 * whose `slice()` is a view.
 */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/**
 * Memory for short pieces, side by side in blocks: an array with memory of its own takes V8 ten times as
 * long to make. Whoever keeps a piece keeps its whole block.
 */
export class Blocks {
  readonly #size: number;
  readonly #longest: number;
  #block = new ArrayBuffer(0);
  #cut = 0;

  /** `size` of a block, and the longest piece that is cut from one, room included; bytes. */
  constructor(size: number, longest: number) {
    this.#size = size;
    this.#longest = longest;
  }

  /** `length` bytes, with `room` bytes in front of them that are theirs, too. Their content does not matter. */
  cut(length: number, room = 0): Uint8Array {
    const bytes = room + length;
    if (bytes > this.#longest) return new Uint8Array(new ArrayBuffer(bytes), room, length);
    if (this.#cut + bytes > this.#block.byteLength) {
      this.#block = new ArrayBuffer(this.#size);
      this.#cut = 0;
    }
    const start = this.#cut + room;
    this.#cut += bytes;
    return new Uint8Array(this.#block, start, length);
  }
}

const brief = new Blocks(16 * 1024, 4 * 1024);

/**
 * Memory of `length` bytes for what is soon written and then forgotten. Its content does not matter. What may
 * wait for long would keep one of the large blocks here.
 */
export function shortLived(length: number): Uint8Array {
  return brief.cut(length);
}
