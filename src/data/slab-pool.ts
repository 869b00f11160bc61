import { assert } from '../core/assert.ts';
import { Blocks } from '../core/bytes.ts';
import { Chunk, Slab } from '../core/chunk.ts';

/**
 * Bytes of a slab for bulk at its source: all that a kernel's send buffer holds at most by default, read at
 * once. See docs/adr/0020.
 */
export const HUGE_SLAB = 4 * 1024 * 1024;
/** Bytes of a slab while memory is plentiful: one write and one frame may be this long. */
export const LARGE_SLAB = 1024 * 1024;
/** Bytes of a slab once memory is short, so that a thousand busy sockets each get one. */
export const SMALL_SLAB = 64 * 1024;

/** Slabs are huge, and large, until these shares of the budget are out. */
const HUGE_SHARE = 1 / 8;
const LARGE_SHARE = 1 / 4;

/**
 * Copies up to this lie side by side in blocks, bytes: what a short one that is kept may keep from being
 * reused is bounded by a block.
 */
const SHORT = 2 * 1024;
const shorts = new Blocks(8 * 1024, SHORT);

export interface SlabPoolOptions {
  /** Fresh memory of exactly `size` bytes, garbage-collected; its content does not matter. */
  readonly allocate: (size: number) => Uint8Array;
  /** Bytes that may be out at one time. */
  readonly budget: number;
  /** For tests: overwrites memory as it comes home, so that a use after release shows as corruption. */
  readonly poison?: number;
}

/**
 * Memory for reads, shared by all sockets of a process and bounded by a budget.
 *
 *     claim() --> Filling --> chunks over its slab ... --> giveBack()   the rest serves the next reader
 *                    '------> chunks outlive the filling: the slab comes home with the last of them
 *
 * A reader claims a slab for a burst of reads only, so nothing is tied to a socket that is idle, and
 * the chunks of many sockets lie side by side in one slab.
 */
export class SlabPool {
  /** Bytes that may be out at one time. */
  readonly budget: number;
  readonly #allocate: (size: number) => Uint8Array;
  readonly #poison: number | undefined;
  /** Bytes that may be out before memory is short. */
  readonly #plenty: number;
  readonly #free = new Map<number, Slab[]>([
    [HUGE_SLAB, []],
    [LARGE_SLAB, []],
    [SMALL_SLAB, []],
  ]);
  #freeBytes = 0;
  #outBytes = 0;
  /** The slab that is partly filled and claimed by nobody. */
  #open: Filling | null = null;

  constructor(options: SlabPoolOptions) {
    this.budget = options.budget;
    this.#allocate = options.allocate;
    this.#poison = options.poison;
    this.#plenty = options.budget * LARGE_SHARE;
  }

  /** A chunk over a copy, outside of the pool and its budget, for small reads; its headroom is its own. */
  copy(bytes: Uint8Array, headroom: number): Chunk {
    const { length } = bytes;
    const copy =
      headroom + length <= SHORT
        ? shorts.cut(length, headroom)
        : this.#allocate(headroom + length).subarray(headroom);
    copy.set(bytes);
    return new Chunk(copy, null, headroom);
  }

  /** Bytes of the slabs that a chunk or a reader keeps from being reused; never above the budget. */
  get outBytes(): number {
    const open = this.#open;
    return open?.slab.isSole ? this.#outBytes - open.slab.bytes.length : this.#outBytes;
  }

  /**
   * A whole slab, whose first reference is the caller's; null when the budget is used up. `wanted`: its size
   * if memory is plentiful, `HUGE_SLAB` or `LARGE_SLAB`.
   */
  take(wanted = LARGE_SLAB): Slab | null {
    const size = this.#affordable(wanted);
    if (this.#outBytes + size > this.budget) return null;
    const slab = this.#free.get(size)?.pop();
    this.#outBytes += size;
    if (slab === undefined) {
      this.#trim(size);
      return new Slab(this.#allocate(size), (home) => this.#comeHome(home));
    }
    this.#freeBytes -= size;
    slab.revive();
    return slab;
  }

  /**
   * A slab to read into, with room for at least `SMALL_SLAB` bytes; null when the budget is used up. `wanted`
   * is as for `take()`: a huge one is whole, because its reader wants to take all there is in one read.
   */
  claim(wanted = LARGE_SLAB): Filling | null {
    const least = this.#affordable(wanted) === HUGE_SLAB ? HUGE_SLAB : SMALL_SLAB;
    const open = this.#open;
    if (open?.makeRoom(least)) {
      this.#open = null;
      return open;
    }
    if (least === SMALL_SLAB) this.#close();
    const slab = this.take(wanted);
    return slab === null ? null : new Filling(slab, this.#poison);
  }

  /** Ends a claim. */
  giveBack(filling: Filling): void {
    if (this.#open === null && filling.makeRoom()) this.#open = filling;
    else filling.slab.release();
  }

  /** The size of the next slab, where `wanted` may be too much. */
  #affordable(wanted: number): number {
    const out = this.outBytes;
    if (wanted === HUGE_SLAB && out + HUGE_SLAB <= this.budget * HUGE_SHARE) return HUGE_SLAB;
    return out + LARGE_SLAB <= this.#plenty ? LARGE_SLAB : SMALL_SLAB;
  }

  #close(): void {
    this.#open?.slab.release();
    this.#open = null;
  }

  #comeHome(slab: Slab): void {
    const size = slab.bytes.length;
    this.#outBytes -= size;
    assert(this.#outBytes >= 0, 'a slab comes home once');
    if (this.#poison !== undefined) slab.bytes.fill(this.#poison);
    this.#freeBytes += size;
    this.#free.get(size)?.push(slab);
    this.#trim(size);
  }

  /**
   * Slabs at home are kept for the next taker: what may be out while memory is plentiful, and as many
   * bytes again as are out. So a transfer that fills and empties its windows, or a crowd that comes and
   * goes, does not make garbage of the same slabs all the time. With what is out, it is never more than
   * the budget. `wanted` is the size in demand; slabs of other sizes make way first.
   */
  #trim(wanted: number): void {
    const most = Math.min(this.#plenty + this.#outBytes, this.budget - this.#outBytes);
    for (const [size, free] of this.#free) {
      if (size !== wanted) this.#drop(free, size, most);
    }
    this.#drop(this.#free.get(wanted)!, wanted, most);
    assert(this.#freeBytes + this.#outBytes <= this.budget, 'the budget holds for all slabs');
  }

  #drop(free: Slab[], size: number, most: number): void {
    while (this.#freeBytes > most && free.pop() !== undefined) this.#freeBytes -= size;
  }
}

/**
 * A slab being filled, by one reader at a time.
 *
 * Invariant: no chunk lies at `at` or beyond it.
 */
export class Filling {
  readonly slab: Slab;
  /** Where the next chunk may begin, headroom included. */
  at = 0;
  readonly #poison: number | undefined;

  constructor(slab: Slab, poison?: number) {
    this.slab = slab;
    this.#poison = poison;
  }

  /** True if a read of `least` bytes fits. A slab that no chunk uses any more is filled from its start. */
  makeRoom(least = SMALL_SLAB): boolean {
    if (this.at > 0 && this.slab.isSole) {
      if (this.#poison !== undefined) this.slab.bytes.fill(this.#poison, 0, this.at);
      this.at = 0;
    }
    return this.slab.bytes.length - this.at >= least;
  }
}
