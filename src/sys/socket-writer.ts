import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import type { Chunk } from '../core/chunk.ts';
import { Deque } from '../data/deque.ts';
import { turn } from './turn.ts';

/** Bytes that are gathered before they are written in mid-turn. */
const GATHER_BYTES = 256 * 1024;

export interface WriterOptions {
  /** Waiting bytes from which on it is congested, until half of that is left. */
  readonly limit: number;
  /** Called after a congestion, never from inside a call. */
  readonly onDrain: () => void;
  /** Write nothing before FIN, which fails on a connection that was reset: afterwards no write can tell. */
  readonly probesBeforeFin?: boolean;
}

/**
 * The writing half of a Node `Duplex`.
 *
 * The first chunk of a turn is written at once, so that a lone message loses no time; those that
 * follow in the same turn are gathered and leave together at its end, in one system call, or one run
 * of TLS records.
 */
export class SocketWriter {
  readonly #duplex: Duplex;
  readonly #options: WriterOptions;
  /**
   * One for each write that was not yet called back, oldest first: the chunk, while the system may have
   * to read it; null if the write was done at once.
   */
  readonly #waiting = new Deque<Chunk | null>();
  #waitingBytes = 0;
  #isCongested = false;
  #isCorked = false;
  /** The turn of the last write. */
  #turn = -1;

  constructor(duplex: Duplex, options: WriterOptions) {
    this.#duplex = duplex;
    this.#options = options;
  }

  /** True from a `write()` that brought too much until `onDrain`. */
  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** Takes over the chunk; not while congested. A write that fails shows as the duplex's 'error'. */
  write(chunk: Chunk): void {
    const now = turn.mark();
    if (this.#turn === now) this.#cork();
    this.#turn = now;
    this.#duplex.write(chunk.bytes, this.#onWritten);
    if (this.#duplex.writableLength === 0) {
      this.#waiting.push(null);
      // At once, because the reader may then refill that memory while it is still in the cache.
      chunk.release();
      return;
    }
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#isCorked && this.#waitingBytes >= GATHER_BYTES) this.#uncork();
    this.#isCongested = this.#waitingBytes >= this.#options.limit;
  }

  /** FIN, after what was written. */
  end(): void {
    if (this.#options.probesBeforeFin) this.#duplex.write(nothing);
    this.#duplex.end();
  }

  /** Releases what waits; only when the duplex is closed, since until then the system may read it. */
  free(): void {
    for (const chunk of this.#waiting) chunk?.release();
    this.#waiting.clear();
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#duplex.cork();
    turn.atEnd(this.#uncork);
  }

  readonly #uncork = (): void => {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#duplex.uncork();
  };

  readonly #onWritten = (error: Error | null | undefined): void => {
    if (error) return;
    const chunk = this.#waiting.shift();
    this.#waitingBytes -= chunk?.length ?? 0;
    chunk?.release();
    const { limit, onDrain } = this.#options;
    if (!this.#isCongested || this.#waitingBytes > limit / 2) return;
    this.#isCongested = false;
    onDrain();
  };
}

const nothing = Buffer.alloc(0);
