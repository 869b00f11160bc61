import type { Chunk } from '../core/chunk.ts';
import { Deque } from '../data/deque.ts';
import type { LanePort } from '../protocol/lane.ts';
import type { BrokenPipe, Pipe, PipeHandler } from './pipe.ts';

/** What a trunk wants to hear of a lane. */
export interface LaneListener {
  onLaneChunk(chunk: Chunk): void;
  onLaneDrain(): void;
  /** The pipe has ended, in whatever way. */
  onLaneEnd(cause: BrokenPipe | null): void;
}

/** A pipe as the port of a lane: it takes what a turn brings and says when it has had enough. */
export class LanePipe implements LanePort, PipeHandler {
  /** The session asks for each lane and frame, so it is a field; a pipe says when it changes. */
  writable: boolean;
  readonly #pipe: Pipe;
  readonly #listener: LaneListener;
  /** What the pipe refused. Bounded by one turn's frames, because the session then stops. */
  readonly #overflow = new Deque<Chunk>();
  #isEnding = false;

  constructor(pipe: Pipe, listener: LaneListener) {
    this.#pipe = pipe;
    this.#listener = listener;
    pipe.attach(this);
    this.writable = pipe.writable;
  }

  send(chunk: Chunk, more = false): void {
    if (this.#overflow.length > 0 || !this.#pipe.send(chunk, more)) this.#overflow.push(chunk);
    this.#look();
  }

  start(): void {
    this.#pipe.resume();
  }

  /** Ends the lane after what is queued; what still arrives is thrown away. */
  finish(): void {
    this.#isEnding = true;
    if (this.#overflow.length === 0) this.#pipe.sendFin();
    this.#look();
  }

  abort(): void {
    this.#drop();
    this.#pipe.abort();
  }

  onChunk(chunk: Chunk): void {
    this.#listener.onLaneChunk(chunk);
  }

  onDrain(): void {
    for (;;) {
      const chunk = this.#overflow.first;
      if (chunk === undefined) break;
      if (!this.#pipe.send(chunk)) return;
      this.#overflow.shift();
    }
    if (this.#isEnding) this.#pipe.sendFin();
    this.#look();
    if (!this.#isEnding) this.#listener.onLaneDrain();
  }

  onFin(): void {
    // Lanes have no half-close: an end without a word of the protocol is a loss.
    this.abort();
    this.#listener.onLaneEnd(null);
  }

  onFinSent(): void {}

  onBroken(cause: BrokenPipe): void {
    this.#drop();
    this.#listener.onLaneEnd(cause);
  }

  #drop(): void {
    for (const chunk of this.#overflow) chunk.release();
    this.#overflow.clear();
    this.writable = false;
  }

  #look(): void {
    this.writable = this.#overflow.length === 0 && this.#pipe.writable;
  }
}
