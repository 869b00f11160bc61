import { Buffer } from 'node:buffer';
import { DOORBELL, Doorbell } from '../data/doorbell.ts';
import { ReadBuffer } from '../data/read-buffer.ts';
import type { SlabPool } from '../data/slab-pool.ts';
import { turn } from '../loop/turn.ts';
import type { BareSocket } from './bare-socket.ts';
import type { ReadSink } from './socket-reader.ts';

/**
 * The reading half of a bare socket: paused at first, never calls its sink while paused or from inside
 * a call. What the socket tells of reading is passed on to it.
 *
 * Node before 24 hides an RST that follows unread data: its event loop finds the hang-up right after a
 * short read, in the same turn, and reports a plain end. Two cures, so that a transfer cut short never
 * looks complete:
 *  - before our FIN has left, the kernel is asked whether the connection is still there;
 *  - after it, the kernel can't tell, so each short read is followed by a rest until the next turn, and the next
 *    read meets the RST itself.
 */
export class BareReader {
  readonly #socket: BareSocket;
  readonly #sink: ReadSink;
  readonly #buffer: ReadBuffer;
  #state: 'open' | 'ended' | 'told' = 'open';
  #isPaused = true;
  #isFinQueued = false;
  /** The last read left nothing of its place, so another one follows at once. */
  #hasFilled = false;
  /** The turn of the last read. */
  #readIn = -1;
  #turn: NodeJS.Immediate | null = null;

  /** `slab`: see `ReadBuffer`. */
  constructor(socket: BareSocket, pool: SlabPool, slab: number, sink: ReadSink) {
    this.#socket = socket;
    this.#sink = sink;
    this.#buffer = new ReadBuffer(pool, doorbell, slab);
  }

  /** True once the end is told. */
  get hasEnded(): boolean {
    return this.#state === 'told';
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.stopReading();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#state === 'ended' || this.#buffer.isHolding) this.#nextTurn();
    else if (this.#turn === null && this.#state === 'open') this.#socket.startReading();
  }

  /** Our FIN is about to leave. */
  noteFin(): void {
    this.#isFinQueued = true;
  }

  /** Nothing is read or told any more; the caller closes the socket. */
  stop(): void {
    this.pause();
    this.#state = 'told';
    this.#buffer.free();
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
  }

  place(): Uint8Array {
    return this.#buffer.offer(!this.#isPaused && this.#hasFilled);
  }

  landed(length: number): void {
    this.#readIn = turn.mark();
    this.#hasFilled = this.#buffer.fills(length);
    const chunk = this.#buffer.landed(length);
    if (chunk === null) this.#nextTurn();
    else this.#sink.onChunk(chunk);
    if (this.#hasFilled || this.#isPaused || !this.#isFinQueued) return;
    this.#socket.stopReading();
    this.#nextTurn();
  }

  /** @returns false if it is not the peer's FIN but the end of the connection */
  end(): boolean {
    if (this.#readIn === turn.mark() && !this.#socket.isConnected) return false;
    this.#state = 'ended';
    this.#tell();
    return true;
  }

  #nextTurn(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = null;
      this.#tell();
      if (!this.#isPaused && this.#state === 'open') this.#socket.startReading();
    });
  }

  /** Passes on what had to wait, for more bytes or for the end of a pause. */
  #tell(): void {
    if (this.#isPaused) return;
    const held = this.#buffer.flush();
    if (held !== null) this.#sink.onChunk(held);
    if (this.#isPaused || this.#state !== 'ended') return;
    this.#state = 'told';
    this.#buffer.free();
    this.#sink.onEnd();
  }
}

/** One for all sockets: a read is copied out of it before the next one begins. */
const doorbell = new Doorbell(Buffer.allocUnsafeSlow(DOORBELL));
