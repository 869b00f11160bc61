import { Chunk } from '../core/chunk.ts';
import type { Doorbell } from './doorbell.ts';
import { HEADROOM } from './read-buffer.ts';
import type { Filling, SlabPool } from './slab-pool.ts';

/** The longest plaintext of a TLS record, bytes (RFC 8446, 5.1): all but the last of a write are this long. */
const RECORD = 16 * 1024;
/** Chunks begin at multiples of this many bytes, as in `ReadBuffer`. */
const ALIGNMENT = 64;

/**
 * Where the records of one TLS socket land. They come one by one, so those of one write are gathered:
 * a full record announces more, a short one is the last.
 *
 *     idle --short record--> copied chunk, idle
 *     idle --full record---> held in a slab --full records--> held ... --short record--> chunk, idle
 *                                                     '--flush() at the turn's end--> chunk, held ...
 *
 * Invariant: the place that was offered last stays this buffer's until the next record, or `free()`.
 */
export class RecordBuffer {
  readonly #pool: SlabPool;
  readonly #doorbell: Doorbell;
  #filling: Filling | null = null;
  /** Where in the slab the held bytes begin, how many they are, and the room in front of them. */
  #start = 0;
  #held = 0;
  #headroom = 0;
  /** Chunks that came while nobody wanted any, oldest first. */
  #kept: Chunk[] = [];

  constructor(pool: SlabPool, doorbell: Doorbell) {
    this.#pool = pool;
    this.#doorbell = doorbell;
  }

  /** True while bytes wait for `flush()`. */
  get isHolding(): boolean {
    return this.#held > 0 || this.#kept.length > 0;
  }

  /** The place for the next record, or for a part of it. */
  offer(): Uint8Array {
    if (this.#filling === null) return this.#doorbell.bytes;
    return this.#filling.slab.bytes.subarray(this.#start + this.#held);
  }

  /** `length` bytes have come to the offered place. */
  landed(length: number): void {
    const filling = this.#filling;
    if (filling === null) {
      this.#ring(length);
      return;
    }
    this.#held += length;
    const isFull = this.#start + this.#held === filling.slab.bytes.length;
    if (length >= RECORD && !isFull) return;
    this.keep(this.#carve(filling));
    this.#end();
  }

  /** True when no record is missing of what is held, as far as can be known. */
  get isWhole(): boolean {
    return this.#held === 0;
  }

  /** Takes over a chunk that comes behind those that are kept. */
  keep(chunk: Chunk): void {
    this.#kept.push(chunk);
  }

  /** The next chunk of what has come; null when nothing is left. */
  flush(): Chunk | null {
    const chunk = this.#kept.shift();
    if (chunk !== undefined) return chunk;
    return this.#filling === null || this.#held === 0 ? null : this.#carve(this.#filling);
  }

  /** Nothing will come any more. */
  free(): void {
    for (const chunk of this.#kept) chunk.release();
    this.#kept = [];
    this.#end();
  }

  /** What came to the doorbell: the start of a burst, or all there is. */
  #ring(length: number): void {
    const bytes = this.#doorbell.front(length);
    const filling = length < RECORD ? null : this.#pool.claim();
    if (filling === null) {
      this.keep(this.#pool.copy(bytes, HEADROOM));
      return;
    }
    this.#filling = filling;
    this.#start = filling.at + HEADROOM;
    this.#headroom = HEADROOM;
    this.#held = length;
    filling.slab.bytes.set(bytes, this.#start);
  }

  /** The held bytes as a chunk. Those that follow it have no room in front, because their place is offered. */
  #carve(filling: Filling): Chunk {
    const { slab } = filling;
    const end = this.#start + this.#held;
    slab.retain();
    const chunk = new Chunk(slab.bytes.subarray(this.#start, end), slab, this.#headroom);
    this.#start = end;
    this.#held = 0;
    this.#headroom = 0;
    filling.at = Math.min((end + ALIGNMENT - 1) & -ALIGNMENT, slab.bytes.length);
    return chunk;
  }

  #end(): void {
    if (this.#filling !== null) this.#pool.giveBack(this.#filling);
    this.#filling = null;
    this.#held = 0;
  }
}
