import { Chunk } from '../core/chunk.ts';
import type { Doorbell } from './doorbell.ts';
import { type Filling, LARGE_SLAB, type SlabPool } from './slab-pool.ts';

/** Bytes of room in front of each chunk that was read, for a frame header. */
export const HEADROOM = 16;

/**
 * A read into a whole slab leaves so many bytes of it. What was read makes a frame, which arrives in a
 * slab of the same size at the other end: with its header it has to fit, and leave a little, or the reader
 * there would look for more.
 */
const TAIL = 64 - HEADROOM;

/**
 * Chunks begin at multiples of this many bytes: kernels copy fastest to the start of a cache line.
 * A power of two.
 */
const ALIGNMENT = 64;

/**
 * Where one socket's reads land.
 *
 * A burst begins at the doorbell, a buffer shared by all sockets. What does not fill it is copied out
 * to memory of its own size; what fills it announces more, and moves to the front of a claimed slab,
 * where the rest of the burst is read behind it without a copy. A read that comes up short ends the
 * burst and the claim. So an idle socket holds no memory, and a small chunk pins no slab:
 *
 *     idle --short read--> copied chunk, idle
 *     idle --full read---> held in a slab --read--> chunk over the slab --full read--> chunk ...
 *                                                         '--short read--> idle
 *
 * A burst that brings more than a large slab's worth makes its source bulk, which may be given larger slabs
 * while its bursts stay that long. If a pause cut it, it does not: then whoever takes it is the slower one.
 *
 * What fills the doorbell for the first time is a chunk by itself: of a thousand sockets that come at
 * once, so much is read, and whoever takes it can say that no more is wanted yet.
 */
export class ReadBuffer {
  readonly #pool: SlabPool;
  readonly #doorbell: Doorbell;
  readonly #slab: number;
  #filling: Filling | null = null;
  /** Bytes of the slab behind `at` and the headroom that are read and not yet a chunk. */
  #held = 0;
  #offered: Uint8Array;
  #hasFilled = false;
  /** Bytes of this burst so far. */
  #burst = 0;
  #isBulk = false;
  /** The last read left something of its place. */
  #hasDrained = false;

  /** `slab`: the size of the slabs that bulk is read to, `LARGE_SLAB` or `HUGE_SLAB`. */
  constructor(pool: SlabPool, doorbell: Doorbell, slab = LARGE_SLAB) {
    this.#pool = pool;
    this.#doorbell = doorbell;
    this.#slab = slab;
    this.#offered = doorbell.bytes;
  }

  /** True while bytes wait for a further read to join them, or for `flush()`. */
  get isHolding(): boolean {
    return this.#held > 0;
  }

  /** The place for the next read. `more`: another read follows at once, so a claim is worth keeping. */
  offer(more: boolean): Uint8Array {
    let filling = this.#filling;
    if (filling !== null && this.#held === 0) {
      if (!more || !filling.makeRoom()) {
        this.#pool.giveBack(filling);
        filling = more ? this.#claim() : null;
      }
      this.#filling = filling;
    }
    if (filling === null) this.#offered = this.#doorbell.bytes;
    else this.#offered = this.#restOf(filling);
    return this.#offered;
  }

  /** True if a read of `length` bytes leaves nothing of the offered place. */
  fills(length: number): boolean {
    return length === this.#offered.length;
  }

  /** `length` bytes were read to the offered place. Null: they are held, since more seems to follow. */
  landed(length: number): Chunk | null {
    if (this.#filling === null) this.#beginBurst();
    this.#burst += length;
    this.#hasDrained = !this.fills(length);
    if (this.#filling === null) {
      const bytes = this.#doorbell.front(length);
      if (!this.#hasDrained) this.#filling = this.#claim();
      if (this.#filling === null) return this.#pool.copy(bytes, HEADROOM);
      this.#filling.slab.bytes.set(bytes, this.#filling.at + HEADROOM);
      this.#held = length;
      if (this.#hasFilled) return null;
    } else this.#held += length;
    this.#hasFilled = true;
    return this.#carve(this.#filling);
  }

  /**
   * The held bytes after all: no read has come to join them. They are copied, because the place behind
   * them is already offered and leaves no headroom between.
   */
  flush(): Chunk | null {
    const filling = this.#filling;
    if (filling === null || this.#held === 0) return null;
    const start = filling.at + HEADROOM;
    const bytes = filling.slab.bytes.subarray(start, start + this.#held);
    const chunk = this.#pool.copy(bytes, HEADROOM);
    filling.at += this.#held;
    this.#held = 0;
    return chunk;
  }

  /** No read will come any more. */
  free(): void {
    this.#held = 0;
    if (this.#filling !== null) this.#pool.giveBack(this.#filling);
    this.#filling = null;
  }

  #beginBurst(): void {
    this.#isBulk = this.#burst >= LARGE_SLAB && (this.#isBulk || this.#hasDrained);
    this.#burst = 0;
  }

  #claim(): Filling | null {
    this.#isBulk ||= this.#burst >= LARGE_SLAB;
    return this.#pool.claim(this.#isBulk ? this.#slab : LARGE_SLAB);
  }

  #restOf({ slab, at }: Filling): Uint8Array {
    const start = at + HEADROOM + this.#held;
    const { length } = slab.bytes;
    return slab.view(start, this.#held > 0 ? length : length - TAIL);
  }

  #carve(filling: Filling): Chunk {
    const { slab } = filling;
    const start = filling.at + HEADROOM;
    const end = start + this.#held;
    this.#held = 0;
    filling.at = Math.min((end + ALIGNMENT - 1) & -ALIGNMENT, slab.bytes.length);
    slab.retain();
    return new Chunk(slab.view(start, end), slab, HEADROOM);
  }
}
