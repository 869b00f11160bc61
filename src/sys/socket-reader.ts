import { Buffer } from 'node:buffer';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Chunk } from '../core/chunk.ts';
import { DOORBELL, ReadBuffer } from '../data/read-buffer.ts';
import type { SlabPool } from '../data/slab-pool.ts';
import { adopt, isConnected } from './socket-handle.ts';

export interface ReadSink {
  onChunk(chunk: Chunk): void;
  /** The peer's FIN, as far as can be known: all chunks were passed on before. */
  onEnd(): void;
}

/**
 * The reading half of a Node `Duplex`: paused at first, never calls its sink while paused or from
 * inside a call. Errors and 'close' are not its business.
 *
 * A connected `net.Socket` is read into the pool's memory (`socket` is then another object over the
 * same connection); anything else by 'data' events.
 *
 * Node before 24 hides an RST that follows unread data: its event loop finds the hang-up right after a
 * short read and reports a plain end. Two cures, so that a transfer cut short never looks complete:
 *  - before our FIN, an end is proven by an empty write, which fails on a connection that was reset
 *    (below TLS, the kernel is asked);
 *  - after it nothing can be written, so each short read is followed by a rest until the next turn,
 *    and the next read meets the RST itself. (Not with 'data' events: there, the end is believed.)
 */
export class SocketReader {
  readonly socket: Duplex;
  readonly #sink: ReadSink;
  readonly #below: Socket | null;
  readonly #buffer: ReadBuffer | null;
  #state: 'open' | 'ended' | 'told' = 'open';
  #paused = true;
  #turn: NodeJS.Immediate | null = null;

  /** `below` is the TCP socket that carries `duplex`, where `duplex` is not one itself. */
  constructor(duplex: Duplex, sink: ReadSink, options: { pool?: SlabPool; below?: Socket } = {}) {
    this.#sink = sink;
    const buffer = options.pool === undefined ? null : new ReadBuffer(options.pool, doorbell);
    const adopted = buffer === null ? null : this.#adopt(duplex, buffer);
    this.socket = adopted ?? duplex;
    this.#buffer = adopted === null ? null : buffer;
    this.#below = options.below ?? null;
    this.socket.pause();
    if (this.#buffer === null) {
      this.socket.on('data', (bytes: Buffer) => this.#sink.onChunk(new Chunk(bytes)));
    }
    this.socket.on('end', () => this.#prove());
  }

  pause(): void {
    this.#paused = true;
    this.socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#state === 'ended' || this.#buffer?.isHolding) this.#nextTurn();
    else if (this.#turn === null) this.socket.resume();
  }

  /** Nothing is read or told any more; the caller destroys the socket. */
  stop(): void {
    this.pause();
    this.#state = 'told';
    this.#buffer?.free();
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
  }

  #adopt(duplex: Duplex, buffer: ReadBuffer): Socket | null {
    if (!(duplex instanceof Socket)) return null;
    let last = 0;
    return adopt(duplex, {
      callback: (length) => {
        last = length;
        return this.#onRead(length, buffer);
      },
      buffer: () => buffer.offer(!this.#paused && buffer.fills(last)),
    });
  }

  #onRead(length: number, buffer: ReadBuffer): boolean {
    const isShort = !buffer.fills(length);
    const chunk = buffer.landed(length);
    if (chunk === null) this.#nextTurn();
    else this.#sink.onChunk(chunk);
    if (!isShort || this.#paused || !this.socket.writableEnded) return true;
    this.#nextTurn();
    return false; // stops reading
  }

  #prove(): void {
    if (this.socket.writableEnded) this.#end();
    else if (this.#below === null) this.socket.write(nothing, (error) => error ?? this.#end());
    else if (isConnected(this.#below)) this.#end();
    else this.socket.destroy(resetError());
  }

  #end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#tell();
  }

  #nextTurn(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = null;
      this.#tell();
      if (!this.#paused && this.#state === 'open') this.socket.resume();
    });
  }

  /** Passes on what had to wait, for more bytes or for the end of a pause. */
  #tell(): void {
    if (this.#paused) return;
    const held = this.#buffer?.flush() ?? null;
    if (held !== null) this.#sink.onChunk(held);
    if (this.#paused || this.#state !== 'ended') return;
    this.#state = 'told';
    this.#buffer?.free();
    this.#sink.onEnd();
  }
}

function resetError(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
}

const nothing = Buffer.alloc(0);

/** One for all sockets: a read is copied out of it before the next one begins. */
const doorbell = Buffer.allocUnsafeSlow(DOORBELL);
