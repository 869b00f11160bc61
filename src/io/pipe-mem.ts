import type { Chunk } from '../core/chunk.ts';
import { Deque } from '../data/deque.ts';
import type { Clock } from '../loop/clock.ts';
import { BrokenPipe, type Pipe, type PipeHandler } from './pipe.ts';

export interface MemoryPipeOptions {
  /** Bytes that may wait in each direction before its sender is congested. */
  readonly capacity: number;
  readonly clock: Clock;
}

/** The two ends of a pipe inside the process: for tests and examples. */
export function memoryPipePair(options: MemoryPipeOptions): [Pipe, Pipe] {
  const a = new MemoryPipe(options);
  return [a, a.makePeer()];
}

/**
 * One end. What it sends waits in the peer's inbox, and everything is told in a later turn:
 *
 *     a.send() --> b's inbox --clock.soon--> b.onChunk ... --> a.onDrain
 */
class MemoryPipe implements Pipe {
  readonly #options: MemoryPipeOptions;
  /** Itself until the peer is made. */
  #peer: MemoryPipe = this;
  #handler: PipeHandler | null = null;
  readonly #inbox = new Deque<Chunk>();
  #inboxBytes = 0;
  #incoming: 'open' | 'ended' | 'told' = 'open';
  #outgoing: 'open' | 'congested' | 'fin-queued' | 'fin-sent' = 'open';
  #isPaused = true;
  #isDead = false;
  /** Why it broke, until that is told. */
  #cause: BrokenPipe | null = null;
  #isTurnSet = false;

  constructor(options: MemoryPipeOptions) {
    this.#options = options;
  }

  makePeer(): MemoryPipe {
    this.#peer = new MemoryPipe(this.#options);
    this.#peer.#peer = this;
    return this.#peer;
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
    this.#wake();
  }

  get writable(): boolean {
    return !this.#isDead && this.#outgoing === 'open';
  }

  send(chunk: Chunk): boolean {
    if (!this.writable) return false;
    const peer = this.#peer;
    peer.#inbox.push(chunk);
    peer.#inboxBytes += chunk.length;
    if (peer.#isFull) this.#outgoing = 'congested';
    peer.#wake();
    return true;
  }

  sendFin(): void {
    if (this.#isDead || this.#outgoing === 'fin-queued' || this.#outgoing === 'fin-sent') return;
    this.#outgoing = 'fin-queued';
    this.#peer.#incoming = 'ended';
    this.#peer.#wake();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake();
  }

  abort(): void {
    this.#cause = null;
    if (this.#isDead) return;
    this.#die();
    const peer = this.#peer;
    const hasEnded = this.#incoming === 'told' && this.#outgoing === 'fin-sent';
    if (hasEnded || peer.#isDead) return;
    peer.#die();
    peer.#cause = new BrokenPipe('reset', 'the peer reset the connection');
    peer.#wake();
  }

  get #isFull(): boolean {
    return this.#inboxBytes >= this.#options.capacity;
  }

  #die(): void {
    this.#isDead = true;
    for (const chunk of this.#inbox) chunk.release();
    this.#inbox.clear();
    this.#inboxBytes = 0;
  }

  #wake(): void {
    if (this.#isTurnSet) return;
    this.#isTurnSet = true;
    this.#options.clock.soon(() => {
      this.#isTurnSet = false;
      if (this.#handler !== null) this.#tell(this.#handler);
    });
  }

  #tell(handler: PipeHandler): void {
    while (!this.#isPaused && this.#inbox.length > 0) {
      const chunk = this.#inbox.shift()!;
      this.#inboxBytes -= chunk.length;
      handler.onChunk(chunk);
    }
    if (!this.#isFull) this.#peer.#onRoom();
    const isEmpty = this.#inbox.length === 0;
    if (this.#incoming === 'ended' && isEmpty && !this.#isPaused && !this.#isDead) {
      this.#incoming = 'told';
      handler.onFin();
      this.#peer.#onFinTaken();
    }
    const cause = this.#cause;
    this.#cause = null;
    if (cause !== null) handler.onBroken(cause);
  }

  #onRoom(): void {
    if (this.#isDead || this.#outgoing !== 'congested') return;
    this.#outgoing = 'open';
    this.#handler?.onDrain();
  }

  #onFinTaken(): void {
    if (this.#isDead) return;
    this.#outgoing = 'fin-sent';
    this.#handler?.onFinSent();
  }
}
