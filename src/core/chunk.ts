import { assert } from './assert.ts';

/**
 * Memory that several chunks share. It goes home (to its pool) with its last reference.
 *
 * Invariant: `bytes` is written only by its reader, and only where no chunk lies.
 */
export class Slab {
  readonly bytes: Uint8Array;
  readonly #goHome: (slab: Slab) => void;
  #references = 1;
  /** The last views of it: from its start, and from elsewhere. */
  #fromStart: Uint8Array;
  #inside: Uint8Array;

  constructor(bytes: Uint8Array, goHome: (slab: Slab) => void) {
    this.bytes = bytes;
    this.#goHome = goHome;
    this.#fromStart = bytes;
    this.#inside = bytes;
  }

  /** Bytes `[start, end)`. Bulk asks for the same ones each time it fills the slab, and gets the same view. */
  view(start: number, end: number): Uint8Array {
    const last = start === 0 ? this.#fromStart : this.#inside;
    if (last.length === end - start && last.byteOffset === this.bytes.byteOffset + start)
      return last;
    const view = this.bytes.subarray(start, end);
    if (start === 0) this.#fromStart = view;
    else this.#inside = view;
    return view;
  }

  /** True while only the holder of the first reference is left, so that the slab may be refilled in place. */
  get isSole(): boolean {
    return this.#references === 1;
  }

  retain(): void {
    this.#references += 1;
  }

  release(): void {
    assert(this.#references > 0, 'a slab is released once per reference');
    this.#references -= 1;
    if (this.#references === 0) this.#goHome(this);
  }

  /** Called by a pool that hands the slab out again. */
  revive(): void {
    assert(this.#references === 0, 'only a slab at home is handed out');
    this.#references = 1;
  }
}

/**
 * A bare piece of bytes and the reference that keeps its memory.
 *
 * A chunk has one owner. Passing it to `send()` or to a handler gives it away: the new owner
 * releases it exactly once, and nobody edits its bytes. `slice()` makes a second chunk over the
 * same memory, with an owner of its own.
 */
export class Chunk {
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Bytes of writable room directly in front of `bytes`, this chunk's alone: a place for a frame header. */
  readonly headroom: number;
  readonly #slab: Slab | null;

  /** Takes over the caller's reference to `slab`; without a slab the memory is the garbage collector's. */
  constructor(bytes: Uint8Array, slab: Slab | null = null, headroom = 0) {
    this.bytes = bytes;
    this.length = bytes.length;
    this.headroom = headroom;
    this.#slab = slab;
  }

  /** Bytes of memory that this chunk keeps from being reused. */
  get pinned(): number {
    return this.#slab === null ? this.bytes.length : this.#slab.bytes.length;
  }

  /** True if its memory is part of a slab, not the garbage collector's. */
  get isPooled(): boolean {
    return this.#slab !== null;
  }

  /** Another owner's chunk over `[start, end)`; it has headroom only if it starts where this one starts. */
  slice(start: number, end: number): Chunk {
    this.#slab?.retain();
    return new Chunk(this.bytes.subarray(start, end), this.#slab, start === 0 ? this.headroom : 0);
  }

  /** Another owner's chunk over the same bytes, without headroom: that stays this one's. */
  share(): Chunk {
    this.#slab?.retain();
    return new Chunk(this.bytes, this.#slab);
  }

  /** Another owner's chunk that begins `room` bytes earlier, in this chunk's headroom. */
  withRoom(room: number): Chunk {
    assert(room <= this.headroom, 'a header fits the headroom');
    const { buffer, byteOffset, length } = this.bytes;
    if (this.#slab === null)
      return new Chunk(new Uint8Array(buffer, byteOffset - room, length + room));
    this.#slab.retain();
    const start = byteOffset - room - this.#slab.bytes.byteOffset;
    // Of the slab's own kind: where that is Node's `Buffer`, Node need not wrap it.
    return new Chunk(this.#slab.view(start, start + room + length), this.#slab);
  }

  release(): void {
    this.#slab?.release();
  }
}
