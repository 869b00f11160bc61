import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import type { Chunk } from '../core/chunk.ts';
import { Deque } from '../data/deque.ts';
import { turn } from '../loop/turn.ts';

/** Bytes that are gathered before they are written in mid-turn. */
export const GATHER_BYTES = 256 * 1024;

export interface WriterOptions {
  /** Waiting bytes from which on it is congested, until half of that is left. */
  readonly limit: number;
  /** Called after a congestion, never from inside a call. */
  readonly onDrain: () => void;
}

export interface SocketWriterOptions extends WriterOptions {
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
  readonly #options: SocketWriterOptions;
  /** What the system may still have to read, oldest first. */
  readonly #waiting = new Deque<Chunk>();
  #waitingBytes = 0;
  /** Writes that were done at once and whose callbacks, older than all others, are still to come. */
  #settled = 0;
  #isCongested = false;
  #isCorked = false;
  /** The turn of the last write. */
  #turn = -1;

  constructor(duplex: Duplex, options: SocketWriterOptions) {
    this.#duplex = duplex;
    this.#options = options;
  }

  /** True from a `write()` that brought too much until `onDrain`. */
  get isCongested(): boolean {
    return this.#isCongested;
  }

  /**
   * Takes over the chunk; not while congested. A write that fails shows as the duplex's 'error'.
   * `more`: another one follows at once.
   */
  write(chunk: Chunk, more: boolean): void {
    const now = turn.mark();
    const isFirst = this.#turn !== now;
    if (more || !isFirst) this.#cork();
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    this.#duplex.write(chunk.bytes, this.#onWritten);
    if (!more) {
      this.#turn = now;
      if (isFirst || this.#waitingBytes >= GATHER_BYTES) this.#uncork();
    }
    if (!this.#isCorked) this.#settle();
    this.#isCongested = this.#waitingBytes >= this.#options.limit;
  }

  /** FIN, after what was written. */
  end(): void {
    if (this.#options.probesBeforeFin) this.#duplex.write(nothing);
    this.#duplex.end();
  }

  /** Releases what waits; only when the duplex is closed, since until then the system may read it. */
  free(): void {
    this.#release();
  }

  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#duplex.cork();
    turn.atEnd(this.#endTurn);
  }

  #uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#duplex.uncork();
  }

  readonly #endTurn = (): void => {
    if (!this.#isCorked) return;
    this.#uncork();
    this.#settle();
    this.#drain();
  };

  /** If the system took everything at once, the memory is free at once, while it is still in the cache. */
  #settle(): void {
    if (this.#duplex.writableLength > 0) return;
    this.#settled += this.#waiting.length;
    this.#release();
  }

  #release(): void {
    for (;;) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) break;
      chunk.release();
    }
    this.#waitingBytes = 0;
  }

  readonly #onWritten = (error: Error | null | undefined): void => {
    if (error) return;
    if (this.#settled > 0) {
      this.#settled -= 1;
      return;
    }
    const chunk = this.#waiting.shift()!;
    this.#waitingBytes -= chunk.length;
    chunk.release();
    this.#drain();
  };

  #drain(): void {
    const { limit, onDrain } = this.#options;
    if (!this.#isCongested || this.#waitingBytes > limit / 2) return;
    this.#isCongested = false;
    onDrain();
  }
}

const nothing = Buffer.alloc(0);
