import { Chunk } from '../../src/core/chunk.ts';
import { HEADROOM } from '../../src/data/read-buffer.ts';
import { type Filling, SlabPool } from '../../src/data/slab-pool.ts';

/** Where the chunks of a world lie: what sockets would read into. */
export interface Memory {
  /** A chunk with these bytes, which the caller must not change. */
  chunk(bytes: Uint8Array): Chunk;
  /** Bytes of slabs that somebody still holds. */
  readonly outBytes: number;
}

/** Nothing is copied and nothing counted: fast. */
export const plainMemory: Memory = { chunk: (bytes) => new Chunk(bytes), outBytes: 0 };

/**
 * Slabs as real reads fill them, poisoned as they come home: a use after release shows as wrong bytes,
 * a chunk released twice as a broken invariant, one never released as bytes that stay out.
 */
export function slabMemory(): Memory {
  const pool = new SlabPool({
    allocate: (size) => new Uint8Array(size),
    budget: 256 * 1024,
    poison: 0xdb,
  });
  let filling: Filling | null = null;

  function room(length: number): Filling | null {
    if (filling !== null && filling.slab.bytes.length - filling.at < HEADROOM + length) {
      filling.slab.release();
      filling = null;
    }
    filling ??= pool.claim();
    return filling;
  }

  return {
    chunk(bytes) {
      const place = room(bytes.length);
      // Without budget, or for a chunk longer than a slab, real readers allocate, too.
      if (place === null || place.slab.bytes.length - place.at < HEADROOM + bytes.length) {
        const copy = new Uint8Array(HEADROOM + bytes.length);
        copy.set(bytes, HEADROOM);
        return new Chunk(copy.subarray(HEADROOM), null, HEADROOM);
      }
      const start = place.at + HEADROOM;
      place.at = start + bytes.length;
      place.slab.bytes.set(bytes, start);
      place.slab.retain();
      const chunk = new Chunk(place.slab.bytes.subarray(start, place.at), place.slab, HEADROOM);
      // Between two reads nobody owns the place, so that a slab whose chunks are all gone is free.
      pool.giveBack(place);
      filling = null;
      return chunk;
    },
    get outBytes() {
      return pool.outBytes;
    },
  };
}
