import { Chunk } from '../core/chunk.ts';

export const HEADER_BYTES = 4;

/** First memory for a datagram that comes in pieces, bytes; it doubles as the bytes really arrive. */
const FIRST_SIZE = 4096;

/**
 * Turns bytes into datagrams, whatever their split. A datagram that lies in one chunk is not copied.
 *
 * Invariant: a length is judged before anything is kept for it, and memory follows the bytes that
 * came, not the length that was announced.
 */
export class DatagramDecoder {
  readonly #maxLength: number;
  #chunk: Chunk | null = null;
  #at = 0;
  #headerBytes = 0;
  #length = 0;
  /** The front of a datagram whose rest is still to come. */
  #front = nothing;
  #frontBytes = 0;

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** True while `next()` has bytes to look at. */
  get hasBytes(): boolean {
    return this.#chunk !== null;
  }

  /** True between the first byte of a datagram's header and its last byte. */
  get isInside(): boolean {
    return this.#headerBytes > 0;
  }

  /** Takes over the chunk; only when `next()` has answered 'incomplete' to all before. */
  push(chunk: Chunk): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  next(): Chunk | 'incomplete' | 'too-long' {
    while (this.#headerBytes < HEADER_BYTES) {
      const byte = this.#chunk?.bytes[this.#at];
      if (byte === undefined) return this.#starve();
      this.#length = this.#length * 256 + byte;
      this.#headerBytes += 1;
      this.#at += 1;
    }
    if (this.#length > this.#maxLength) return 'too-long';
    const missing = this.#length - this.#frontBytes;
    const available = this.#chunk === null ? 0 : this.#chunk.length - this.#at;
    if (available < missing) {
      this.#keep(available);
      return this.#starve();
    }
    const datagram = this.#complete(missing);
    this.#headerBytes = 0;
    this.#length = 0;
    if (this.#at === this.#chunk?.length) this.#starve();
    return datagram;
  }

  free(): void {
    this.#starve();
    this.#front = nothing;
    this.#frontBytes = 0;
  }

  #complete(missing: number): Chunk {
    if (this.#frontBytes > 0) {
      this.#keep(missing);
      const bytes = this.#front.subarray(0, this.#length);
      this.#front = nothing;
      this.#frontBytes = 0;
      return new Chunk(bytes);
    }
    if (this.#chunk === null || missing === 0) return new Chunk(nothing);
    const start = this.#at;
    this.#at += missing;
    return this.#chunk.slice(start, this.#at);
  }

  #keep(count: number): void {
    if (this.#chunk === null || count === 0) return;
    const needed = this.#frontBytes + count;
    if (needed > this.#front.length) {
      const size = Math.min(this.#length, Math.max(needed, 2 * this.#front.length, FIRST_SIZE));
      const grown = new Uint8Array(size);
      grown.set(this.#front.subarray(0, this.#frontBytes));
      this.#front = grown;
    }
    this.#front.set(this.#chunk.bytes.subarray(this.#at, this.#at + count), this.#frontBytes);
    this.#frontBytes = needed;
    this.#at += count;
  }

  #starve(): 'incomplete' {
    this.#chunk?.release();
    this.#chunk = null;
    return 'incomplete';
  }
}

const nothing = new Uint8Array(0);
