import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Chunk } from '../core/chunk.ts';
import { DOORBELL, Doorbell } from '../data/doorbell.ts';
import { RecordBuffer } from '../data/record-buffer.ts';
import type { SlabPool } from '../data/slab-pool.ts';
import { divert, isConnected } from './socket-handle.ts';

export interface ReadSink {
  onChunk(chunk: Chunk): void;
  /** The peer's FIN, as far as can be known: all chunks were passed on before. */
  onEnd(): void;
}

/**
 * The reading half of a Node `Duplex`: paused at first, never calls its sink while paused or from
 * inside a call. Errors and 'close' are not its business.
 *
 * A `TLSSocket` is read into the pool's memory, anything else by 'data' events.
 *
 * Node before 24 hides an RST that follows unread data: its event loop finds the hang-up right after a
 * short read and reports a plain end. So that a transfer cut short does not look complete, an end is
 * proven before our FIN: by an empty write, which fails on a connection that was reset; below TLS, the
 * kernel is asked. After our FIN, the end is believed.
 */
export class SocketReader {
  readonly #socket: Duplex;
  readonly #sink: ReadSink;
  readonly #below: Socket | null;
  readonly #buffer: RecordBuffer | null;
  #state: 'open' | 'ended' | 'told' = 'open';
  #paused = true;
  #turn: NodeJS.Immediate | null = null;

  /** `secured`: the duplex is a TLS socket, over this TCP socket, and is read into this pool. */
  constructor(duplex: Duplex, sink: ReadSink, secured?: { pool: SlabPool; below: Socket }) {
    this.#sink = sink;
    this.#socket = duplex;
    this.#below = secured?.below ?? null;
    duplex.pause();
    this.#buffer =
      secured === undefined ? null : this.#divert(new RecordBuffer(secured.pool, doorbell));
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

  #divert(buffer: RecordBuffer): RecordBuffer | null {
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

/** One for all sockets: a record is copied out of it before the next one begins. */
const doorbell = new Doorbell(Buffer.allocUnsafeSlow(DOORBELL));
