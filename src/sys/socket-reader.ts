import { Buffer } from 'node:buffer';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Chunk } from '../core/chunk.ts';
import { DOORBELL, ReadBuffer } from '../data/read-buffer.ts';
import { RecordBuffer } from '../data/record-buffer.ts';
import type { SlabPool } from '../data/slab-pool.ts';
import { divert, isConnected, isUnread } from './socket-handle.ts';

export interface ReadSink {
  onChunk(chunk: Chunk): void;
  /** The peer's FIN, as far as can be known: all chunks were passed on before. */
  onEnd(): void;
}

/**
 * The reading half of a Node `Duplex`: paused at first, never calls its sink while paused or from
 * inside a call. Errors and 'close' are not its business.
 *
 * A connected `net.Socket` is read into the pool's memory, and so is a `TLSSocket`; anything else by
 * 'data' events.
 *
 * Node before 24 hides an RST that follows unread data: its event loop finds the hang-up right after a
 * short read and reports a plain end. Two cures, so that a transfer cut short never looks complete:
 *  - before our FIN, an end is proven by an empty write, which fails on a connection that was reset
 *    (below TLS, the kernel is asked);
 *  - after it nothing can be written, so each short read is followed by a rest until the next turn,
 *    and the next read meets the RST itself. (Not above TLS nor with 'data' events: there, the end is believed.)
 */
export class SocketReader {
  readonly #socket: Duplex;
  readonly #sink: ReadSink;
  readonly #below: Socket | null;
  readonly #buffer: ReadBuffer | RecordBuffer | null;
  #state: 'open' | 'ended' | 'told' = 'open';
  #paused = true;
  #turn: NodeJS.Immediate | null = null;

  /** `below` is the TCP socket that carries `duplex`, where that is a TLS socket. */
  constructor(duplex: Duplex, sink: ReadSink, options: { pool?: SlabPool; below?: Socket } = {}) {
    this.#sink = sink;
    this.#socket = duplex;
    this.#below = options.below ?? null;
    duplex.pause();
    this.#buffer = options.pool === undefined ? null : this.#divert(options.pool);
    if (this.#buffer === null) {
      duplex.on('data', (bytes: Buffer) => this.#sink.onChunk(new Chunk(bytes)));
    }
    duplex.on('end', () => this.#prove());
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#state === 'ended' || this.#buffer?.isHolding) this.#nextTurn();
    else if (this.#turn === null) this.#socket.resume();
  }

  /** Nothing is read or told any more; the caller destroys the socket. */
  stop(): void {
    this.pause();
    this.#state = 'told';
    this.#buffer?.free();
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
  }

  #divert(pool: SlabPool): ReadBuffer | RecordBuffer | null {
    const socket = this.#socket;
    if (this.#below !== null) return this.#divertRecords(new RecordBuffer(pool, doorbell));
    return socket instanceof Socket && isUnread(socket)
      ? this.#divertReads(new ReadBuffer(pool, doorbell))
      : null;
  }

  #divertReads(buffer: ReadBuffer): ReadBuffer | null {
    let last = 0;
    const isDiverted = divert(this.#socket, {
      callback: (length) => {
        last = length;
        return this.#onRead(length, buffer);
      },
      buffer: () => buffer.offer(!this.#paused && buffer.fills(last)),
    });
    if (!isDiverted) return null;
    // Begun once and stopped, the stream needs no first read in the turn after `resume()`, when it may be paused again.
    this.#socket.read(0);
    this.#socket.pause();
    return buffer;
  }

  #divertRecords(buffer: RecordBuffer): RecordBuffer | null {
    const isDiverted = divert(this.#socket, {
      callback: (length) => {
        if (this.#state === 'told') return false;
        buffer.landed(length);
        if (buffer.isWhole) this.#tell();
        else this.#nextTurn();
        return true;
      },
      buffer: () => buffer.offer(),
    });
    if (!isDiverted) return null;
    // What came before goes first.
    const early: Buffer | null = this.#socket.read();
    if (early !== null) buffer.keep(new Chunk(early));
    this.#socket.pause();
    return buffer;
  }

  #onRead(length: number, buffer: ReadBuffer): boolean {
    const isShort = !buffer.fills(length);
    const chunk = buffer.landed(length);
    if (chunk === null) this.#nextTurn();
    else this.#sink.onChunk(chunk);
    if (!isShort || this.#paused || !this.#socket.writableEnded) return true;
    this.#nextTurn();
    return false; // stops reading
  }

  #prove(): void {
    if (this.#socket.writableEnded) this.#end();
    else if (this.#below === null) this.#socket.write(nothing, (error) => error ?? this.#end());
    else if (isConnected(this.#below)) this.#end();
    else this.#socket.destroy(resetError());
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
      if (!this.#paused && this.#state === 'open') this.#socket.resume();
    });
  }

  /** Passes on what had to wait, for more bytes or for the end of a pause. */
  #tell(): void {
    while (!this.#paused) {
      const held = this.#buffer?.flush() ?? null;
      if (held === null) break;
      this.#sink.onChunk(held);
    }
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
