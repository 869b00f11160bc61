import { Chunk } from '../core/chunk.ts';
import { ZERO } from '../core/zero.ts';

interface Fragment {
  readonly offset: number;
  readonly chunk: Chunk;
}

/**
 * Restores the order of one byte sequence from pieces that come at any offset, any number of times.
 * The first copy of a byte wins; later copies are trimmed and counted.
 *
 *      delivered     hole      held      hole   held
 *     |=========|            |=======|        |======|
 *               ^ next
 *
 * Invariant: fragments are sorted, non-empty, do not overlap, and none begins before `next`.
 */
export class Assembler {
  #fragments: Fragment[] = [];
  /** Fragments before this index were taken; the array is compacted now and then. */
  #taken = 0;
  #next = ZERO;
  #heldBytes = ZERO;
  #duplicateBytes = ZERO;

  /** The offset of the next byte in order. */
  get next(): number {
    return this.#next;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get fragments(): number {
    return this.#fragments.length - this.#taken;
  }

  get duplicateBytes(): number {
    return this.#duplicateBytes;
  }

  /** True when `shift()` would answer a chunk. */
  get isReady(): boolean {
    return this.#fragments[this.#taken]?.offset === this.#next;
  }

  /** One past the highest byte held or delivered. */
  get end(): number {
    const last = this.fragments === 0 ? undefined : this.#fragments.at(-1);
    return last === undefined ? this.#next : last.offset + last.chunk.length;
  }

  /**
   * Says that the chunk is the next one and was delivered without being held.
   * Only while nothing is held and `offset === next`.
   */
  bypass(length: number): void {
    this.#next += length;
  }

  /** Takes over the chunk that begins at `offset` (bytes). */
  insert(offset: number, chunk: Chunk): void {
    const end = offset + chunk.length;
    let at = this.#search(offset);
    // The fragment before may reach into this one.
    let from = Math.max(offset, this.#next);
    const before = at > this.#taken ? this.#fragments[at - 1] : undefined;
    if (before !== undefined) from = Math.max(from, before.offset + before.chunk.length);
    // What lies between the fragments already held is new; the rest is a duplicate.
    let added = 0;
    while (from < end) {
      const after = this.#fragments[at];
      const to = after === undefined ? end : Math.min(end, after.offset);
      if (to > from) {
        const isWhole = from === offset && to === end;
        const piece = isWhole ? chunk : chunk.slice(from - offset, to - offset);
        this.#fragments.splice(at, 0, { offset: from, chunk: piece });
        added += to - from;
        this.#heldBytes += to - from;
        if (isWhole) return;
        at += 1;
      }
      if (after === undefined) break;
      from = Math.max(from, after.offset + after.chunk.length);
      at += 1;
    }
    this.#duplicateBytes += chunk.length - added;
    chunk.release();
  }

  /** The next chunk in order, which then belongs to the caller; null while there is a hole. */
  shift(): Chunk | null {
    const fragment = this.#fragments[this.#taken];
    if (fragment === undefined || fragment.offset !== this.#next) return null;
    this.#taken += 1;
    if (this.#taken === this.#fragments.length) {
      this.#fragments.length = 0;
      this.#taken = 0;
    } else if (this.#taken >= 64 && this.#taken * 2 >= this.#fragments.length) {
      this.#fragments.splice(0, this.#taken);
      this.#taken = 0;
    }
    this.#next += fragment.chunk.length;
    this.#heldBytes -= fragment.chunk.length;
    return fragment.chunk;
  }

  /** Joins neighbours without a hole between them, as long as they have at most `most` bytes together. */
  compact(most: number): void {
    const fragments = this.#fragments;
    const compacted: Fragment[] = [];
    for (let at = this.#taken; at < fragments.length; ) {
      const first = fragments[at]!;
      let length = first.chunk.length;
      let end = at + 1;
      for (; end < fragments.length; end += 1) {
        const { offset, chunk } = fragments[end]!;
        if (offset !== first.offset + length || length + chunk.length > most) break;
        length += chunk.length;
      }
      compacted.push(end === at + 1 ? first : joined(fragments.slice(at, end), length));
      at = end;
    }
    this.#fragments = compacted;
    this.#taken = 0;
  }

  /** Gives all memory back. */
  clear(): void {
    for (let at = this.#taken; at < this.#fragments.length; at += 1) {
      this.#fragments[at]!.chunk.release();
    }
    this.#fragments = [];
    this.#taken = 0;
    this.#heldBytes = 0;
  }

  /** The index of the first fragment that begins after `offset`; pieces mostly come at the end. */
  #search(offset: number): number {
    const fragments = this.#fragments;
    let low = this.#taken;
    let high = fragments.length;
    if (high > low && fragments[high - 1]!.offset <= offset) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (fragments[middle]!.offset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** One fragment of `length` bytes in place of neighbours. */
function joined(fragments: readonly Fragment[], length: number): Fragment {
  const bytes = new Uint8Array(length);
  const { offset } = fragments[0]!;
  for (const fragment of fragments) {
    bytes.set(fragment.chunk.bytes, fragment.offset - offset);
    fragment.chunk.release();
  }
  return { offset, chunk: new Chunk(bytes) };
}
