import type { Chunk } from '../../core/chunk.ts';
import type { Pipe, PipeHandler } from '../../io/pipe.ts';
import type { Link, Mark } from './link.ts';

/**
 * One end of an emulated connection: the pipe to one of the two peers. What the peer sends goes out
 * on one link; what comes in on the other goes to the peer, as fast as the peer takes it.
 */
export class End implements PipeHandler {
  readonly #in: Link;
  readonly #out: Link;
  readonly #onOver: () => void;
  #pipe: Pipe | null = null;
  #isOver = false;
  #isDeaf = false;
  #hasFin = false;
  #hasSentFin = false;

  constructor(incoming: Link, outgoing: Link, onOver: () => void) {
    this.#in = incoming;
    this.#out = outgoing;
    this.#onOver = onOver;
  }

  /** The pipe is gone: ended both ways, broken or aborted. */
  get isOver(): boolean {
    return this.#isOver;
  }

  connect(pipe: Pipe): void {
    this.#pipe = pipe;
    pipe.attach(this);
    if (this.#isOver) pipe.abort();
    else pipe.resume();
  }

  deliver(chunk: Chunk): void {
    if (this.#isDeaf || !this.#pipe?.send(chunk)) chunk.release();
    else if (!this.#pipe.writable) this.#in.hold('congestion');
  }

  deliverMark(mark: Mark): void {
    if (this.#isDeaf) return;
    if (mark === 'fin') this.#pipe?.sendFin();
    else this.abort();
  }

  resume(): void {
    this.#pipe?.resume();
  }

  abort(): void {
    this.#pipe?.abort();
    this.#end();
  }

  /** What comes in is lost from now on, and what is under way. */
  deafen(): void {
    this.#isDeaf = true;
    this.#in.clear();
    this.#in.release('congestion');
  }

  onChunk(chunk: Chunk): void {
    this.#out.push(chunk);
    if (this.#out.congested) this.#pipe?.pause();
  }

  onFin(): void {
    this.#hasFin = true;
    this.#out.mark('fin');
    this.#endIfFinished();
  }

  onDrain(): void {
    this.#in.release('congestion');
  }

  onFinSent(): void {
    this.#hasSentFin = true;
    this.#endIfFinished();
  }

  onBroken(): void {
    this.#out.clear();
    this.#out.release('congestion'); // an RST needs no room
    this.#out.mark('rst');
    this.#end();
  }

  #endIfFinished(): void {
    if (this.#hasFin && this.#hasSentFin) this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.deafen();
    this.#onOver();
  }
}
