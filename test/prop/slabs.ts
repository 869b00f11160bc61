import assert from 'node:assert/strict';
import { Chunk, Slab } from '../../src/core/chunk.ts';

/** Makes chunks over slabs and knows which slabs are still out. */
export class Slabs {
  readonly #out = new Set<Slab>();
  #made = 0;
  #cameHome = 0;

  /** Chunks over one slab, with `gap` bytes around each; the slab comes home with the last of them. */
  share(pieces: readonly Uint8Array[], gap = 1): Chunk[] {
    const size = pieces.reduce((sum, piece) => sum + piece.length + gap, gap);
    const slab = new Slab(new Uint8Array(size), (home) => {
      assert.ok(this.#out.delete(home), 'a slab comes home once');
      this.#cameHome += 1;
      home.bytes.fill(0xdd);
    });
    this.#out.add(slab);
    this.#made += 1;
    let at = gap;
    const chunks = pieces.map((piece) => {
      slab.bytes.set(piece, at);
      slab.retain();
      const chunk = new Chunk(slab.bytes.subarray(at, at + piece.length), slab);
      at += piece.length + gap;
      return chunk;
    });
    slab.release();
    return chunks;
  }

  chunk(bytes: Uint8Array): Chunk {
    return this.share([bytes])[0]!;
  }

  /** Slabs that somebody still holds. */
  get out(): number {
    return this.#out.size;
  }

  /** Bytes of their memory. */
  get outBytes(): number {
    return [...this.#out].reduce((sum, slab) => sum + slab.bytes.length, 0);
  }

  assertAllHome(): void {
    assert.equal(this.#out.size, 0, 'every slab came home');
    assert.equal(this.#cameHome, this.#made, 'each exactly once');
  }
}
