import { Chunk } from '../core/chunk.ts';
import type { Clock } from '../loop/clock.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { DatagramDecoder, HEADER_BYTES } from './datagram-decoder.ts';
import { BrokenPipe, type Pipe, type PipeHandler } from './pipe.ts';

const DEFAULT_MAX_LENGTH = 1024 * 1024;

export interface DatagramOptions {
  /** Bytes of the longest datagram, in both directions; default 1 MiB. */
  readonly maxLength?: number;
  readonly clock?: Clock;
}

/**
 * A pipe that keeps message boundaries: each chunk sent arrives as one chunk, also an empty one.
 * Under it may be any pipe of bytes, on which each datagram follows its length:
 *
 *     | length: 4 bytes, big-endian | length bytes |
 *
 * A FIN between datagrams is a FIN; inside of one, or after a length above the limit, the pipe is
 * broken.
 */
export class DatagramPipe implements Pipe {
  readonly #pipe: Pipe;
  readonly #maxLength: number;
  readonly #clock: Clock;
  readonly #decoder: DatagramDecoder;
  #handler: PipeHandler | null = null;
  #isPaused = true;
  #incoming: 'open' | 'ended' | 'told' = 'open';
  #isDead = false;
  #isTurnSet = false;

  constructor(pipe: Pipe, options: DatagramOptions = {}) {
    this.#pipe = pipe;
    this.#maxLength = options.maxLength ?? DEFAULT_MAX_LENGTH;
    this.#clock = options.clock ?? nodeClock;
    this.#decoder = new DatagramDecoder(this.#maxLength);
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
    this.#pipe.attach({
      onChunk: (chunk) => {
        this.#decoder.push(chunk);
        this.#tell(handler);
      },
      onFin: () => {
        this.#incoming = 'ended';
        this.#tell(handler);
      },
      onDrain: () => handler.onDrain(),
      onFinSent: () => handler.onFinSent(),
      onBroken: (cause) => {
        this.#die();
        handler.onBroken(cause);
      },
    });
  }

  get writable(): boolean {
    return this.#pipe.writable;
  }

  /**
   * Copies the datagram, unless it has headroom for its length.
   * @throws {RangeError} if it is longer than the limit; nothing is taken then.
   */
  send(chunk: Chunk): boolean {
    const { length } = chunk;
    if (length > this.#maxLength) {
      throw new RangeError(
        `a datagram of ${length} bytes is above the limit of ${this.#maxLength}: split it`,
      );
    }
    if (!this.writable) return false;
    const framed = chunk.headroom >= HEADER_BYTES ? chunk.withRoom(HEADER_BYTES) : withCopy(chunk);
    for (let at = 0; at < HEADER_BYTES; at += 1) {
      framed.bytes[at] = length >>> (8 * (HEADER_BYTES - 1 - at));
    }
    chunk.release();
    return this.#pipe.send(framed);
  }

  sendFin(): void {
    this.#pipe.sendFin();
  }

  pause(): void {
    this.#isPaused = true;
    this.#pipe.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#isDead || this.#isTurnSet) return;
    if (this.#decoder.hasBytes || this.#incoming === 'ended') this.#tellSoon();
    else this.#pipe.resume();
  }

  abort(): void {
    this.#die();
    this.#pipe.abort();
  }

  /** What was held while paused comes first; only then the pipe is read again. */
  #tellSoon(): void {
    this.#isTurnSet = true;
    this.#clock.soon(() => {
      this.#isTurnSet = false;
      if (this.#handler !== null) this.#tell(this.#handler);
      if (!this.#isPaused && !this.#isDead) this.#pipe.resume();
    });
  }

  #tell(handler: PipeHandler): void {
    while (!this.#isPaused && !this.#isDead) {
      const datagram = this.#decoder.next();
      if (datagram === 'incomplete') break;
      if (datagram === 'too-long') {
        this.#fail(handler, `the peer announced a datagram above ${this.#maxLength} bytes`);
        return;
      }
      handler.onChunk(datagram);
    }
    if (this.#isPaused || this.#isDead || this.#incoming !== 'ended') return;
    if (this.#decoder.isInside) {
      this.#fail(handler, 'the peer ended inside of a datagram');
      return;
    }
    this.#incoming = 'told';
    handler.onFin();
  }

  #fail(handler: PipeHandler, message: string): void {
    this.abort();
    handler.onBroken(new BrokenPipe('protocol', message));
  }

  #die(): void {
    this.#isDead = true;
    this.#decoder.free();
  }
}

function withCopy(chunk: Chunk): Chunk {
  const bytes = new Uint8Array(HEADER_BYTES + chunk.length);
  bytes.set(chunk.bytes, HEADER_BYTES);
  return new Chunk(bytes);
}
