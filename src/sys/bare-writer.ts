import type { Chunk } from '../core/chunk.ts';
import { turn } from '../loop/turn.ts';
import type { BareSocket } from './bare-socket.ts';
import { GATHER_BYTES, type WriterOptions } from './socket-writer.ts';

export interface BareWriterOptions extends WriterOptions {
  /** All that was written before `end()` is with the kernel: FIN is due. */
  readonly onEmptied: () => void;
}

/**
 * The writing half of a bare socket, with one write under way at most. What leaves at once and what is
 * gathered is as in `SocketWriter`; a chunk that the kernel takes at once is released at once, while it is
 * still in the cache.
 */
export class BareWriter {
  readonly #socket: BareSocket;
  readonly #options: BareWriterOptions;
  /** Not written yet, oldest first. */
  #gathered: Chunk[] = [];
  /** The kernel has yet to take some of these. */
  #underWay: readonly Chunk[] = none;
  #bytes = 0;
  /** True from a `write()` that brought too much until `onDrain`; written here alone. */
  isCongested = false;
  #isTurnArmed = false;
  #isEnding = false;
  /** The turn of the last write. */
  #turn = -1;

  constructor(socket: BareSocket, options: BareWriterOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** Takes over the chunk; not while congested. `more`: another one follows at once. */
  write(chunk: Chunk, more: boolean): void {
    const now = turn.mark();
    const isFirst = this.#turn !== now;
    if (!more) this.#turn = now;
    this.#bytes += chunk.length;
    if (isFirst && !more && this.#bytes === chunk.length) this.#writeNow(chunk);
    else {
      this.#gathered.push(chunk);
      if (!more && (isFirst || this.#bytes >= GATHER_BYTES)) this.#flush();
      else this.#armTurn();
    }
    this.isCongested = this.#bytes >= this.#options.limit;
  }

  /** Nothing will be written after this. */
  end(): void {
    this.#isEnding = true;
    this.#flush();
    if (this.#bytes === 0) this.#options.onEmptied();
  }

  /** What a write had left over is with the kernel. */
  written(): void {
    this.#release(this.#underWay);
    this.#underWay = none;
    this.#flush();
    if (this.#isEnding && this.#bytes === 0) this.#options.onEmptied();
    this.#drain();
  }

  /** Releases what waits; only when the socket is closed, since until then the system may read it. */
  free(): void {
    this.#release(this.#underWay);
    this.#underWay = none;
    this.#release(this.#gathered);
    this.#gathered = [];
  }

  /** Nothing else waits. */
  #writeNow(chunk: Chunk): void {
    if (this.#socket.write(chunk.bytes)) {
      this.#bytes = 0;
      chunk.release();
    } else this.#underWay = [chunk];
  }

  #flush(): void {
    const chunks = this.#gathered;
    const [first] = chunks;
    if (this.#underWay.length > 0 || first === undefined) return;
    this.#gathered = [];
    if (chunks.length === 1) this.#writeNow(first);
    else if (this.#socket.writeAll(chunks.map(({ bytes }) => bytes))) this.#release(chunks);
    else this.#underWay = chunks;
  }

  /** What is under way takes the gathered along when it is done. */
  #armTurn(): void {
    if (this.#isTurnArmed || this.#underWay.length > 0) return;
    this.#isTurnArmed = true;
    turn.atEnd(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#isTurnArmed = false;
    this.#flush();
    this.#drain();
  };

  #release(chunks: readonly Chunk[]): void {
    for (const chunk of chunks) {
      this.#bytes -= chunk.length;
      chunk.release();
    }
  }

  #drain(): void {
    const { limit, onDrain } = this.#options;
    if (!this.isCongested || this.#bytes > limit / 2) return;
    this.isCongested = false;
    onDrain();
  }
}

const none: readonly Chunk[] = [];
