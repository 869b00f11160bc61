import { copyOf } from '../core/bytes.ts';
import { Chunk } from '../core/chunk.ts';
import { ProtocolViolation } from '../core/errors.ts';
import { ZERO } from '../core/zero.ts';
import { Assembler } from '../data/assembler.ts';
import { ReceiveWindow } from './receive-window.ts';

/**
 * Out-of-order pieces that a channel may hold: twice what an honest sender can cause, see
 * `SendHalf.isFragmented`. Pieces with no hole between them are joined and count as one.
 */
const FRAGMENT_BYTES = 512;
const FRAGMENTS_FREE = 256;
const JOIN_BYTES = 16 * 1024;
/** Pieces from this length on stay where they are, whatever they keep from being reused. Bytes. */
const LARGE_PIECE = 8 * 1024;

/**
 * The direction of a channel that arrives at this end: order restored, window kept, FIN found.
 *
 *      open --final offset known--> ending --all delivered--> done
 *        any --discard--> discarding --final offset known--> done
 */
export class ReceiveHalf {
  readonly window: ReceiveWindow;
  state: 'open' | 'discarding' | 'done' = 'open';
  /** Where the peer's direction ends, once it has said so. */
  finalOffset: number | null = null;
  /** One past the highest byte that the peer has announced. */
  highest = ZERO;
  readonly #assembler = new Assembler();

  constructor(window: number) {
    this.window = new ReceiveWindow(window);
  }

  /** All bytes below this have been delivered. */
  get next(): number {
    return this.#assembler.next;
  }

  get heldBytes(): number {
    return this.#assembler.heldBytes;
  }

  get duplicateBytes(): number {
    return this.#assembler.duplicateBytes;
  }

  get isReady(): boolean {
    return this.#assembler.isReady;
  }

  get isAtEnd(): boolean {
    return this.finalOffset !== null && this.#assembler.next === this.finalOffset;
  }

  /** All of it has arrived, be it held or delivered: what is held never overlaps, nor begins before `next`. */
  get hasAll(): boolean {
    return this.next + this.heldBytes === this.finalOffset;
  }

  /**
   * A frame is about to bring `[offset, offset + length)`.
   * @returns by how much the highest announced offset rises
   * @throws {ProtocolViolation} for data beyond the window or the final offset
   */
  announce(offset: number, length: number, fin: boolean): number {
    const end = offset + length;
    if (end > this.window.limit) {
      throw new ProtocolViolation('WINDOW_EXCEEDED', `${end} beyond ${this.window.limit}`);
    }
    if (this.finalOffset !== null && end > this.finalOffset) {
      throw new ProtocolViolation('FINAL_OFFSET', `${end} beyond the end at ${this.finalOffset}`);
    }
    if (fin) this.setFinal(end);
    return this.raise(end);
  }

  /** @throws {ProtocolViolation} if it contradicts what was said or received before */
  setFinal(offset: number): void {
    if (this.finalOffset !== null && this.finalOffset !== offset) {
      throw new ProtocolViolation('FINAL_OFFSET', `${offset} after ${this.finalOffset}`);
    }
    if (offset > this.window.limit) {
      throw new ProtocolViolation('WINDOW_EXCEEDED', `${offset} beyond ${this.window.limit}`);
    }
    if (offset < this.highest) {
      throw new ProtocolViolation('FINAL_OFFSET', `${offset} below ${this.highest}`);
    }
    this.finalOffset = offset;
  }

  raise(end: number): number {
    const rise = Math.max(0, end - this.highest);
    this.highest += rise;
    return rise;
  }

  /** @returns true if the piece is the next one and nothing is held: it is not held either, deliver it now */
  bypass(offset: number, length: number): boolean {
    const assembler = this.#assembler;
    if (offset !== assembler.next || assembler.fragments > 0) return false;
    assembler.bypass(length);
    return true;
  }

  /**
   * Takes over a piece, and holds it.
   * @throws {ProtocolViolation} when the pieces are too many
   */
  insert(offset: number, piece: Chunk): void {
    const assembler = this.#assembler;
    const most = this.window.size / FRAGMENT_BYTES + FRAGMENTS_FREE;
    // At twice the number, so that joining costs little per piece.
    if (assembler.fragments > 2 * most) {
      assembler.compact(JOIN_BYTES);
      if (assembler.fragments > most) {
        piece.release();
        throw new ProtocolViolation('TOO_MANY_FRAGMENTS', `${assembler.fragments}`);
      }
    }
    assembler.insert(offset, unpinned(piece));
  }

  /** The next held chunk in order, or null. */
  shift(): Chunk | null {
    return this.#assembler.shift();
  }

  /** Throws away what is held; what still comes is counted and dropped. */
  discard(): void {
    this.#assembler.clear();
    if (this.state === 'open') this.state = 'discarding';
  }
}

/** A small piece that has to wait must not keep a large slab from its reader; a large one is worth it. */
function unpinned(piece: Chunk): Chunk {
  if (piece.length >= LARGE_PIECE || piece.pinned <= 2 * piece.length + 4_096) return piece;
  const copy = new Chunk(copyOf(piece.bytes));
  piece.release();
  return copy;
}
