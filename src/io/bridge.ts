import { assert } from '../core/assert.ts';
import type { Chunk } from '../core/chunk.ts';
import { ZERO } from '../core/zero.ts';
import type { BusyPoll } from '../loop/busy-poll.ts';
import type { BrokenPipe, Pipe, PipeHandler } from './pipe.ts';

/** Counts of one leg. */
export interface LegStats {
  /** Bytes read from this leg. */
  readonly receivedBytes: number;
  /** Bytes written to this leg. */
  readonly sentBytes: number;
  /** How often writing to this leg was congested. */
  readonly congestions: number;
}

export type BridgeOutcome =
  | { readonly kind: 'finished' }
  | { readonly kind: 'reset'; readonly by: 'near' | 'far'; readonly cause: BrokenPipe };

/**
 * Joins two pipes into one connection, until both directions have ended or one leg breaks:
 *
 *     near --chunk, FIN--> far      far congested: near is paused until far drains
 *     near <--chunk, FIN-- far      the same the other way
 *     one leg broken: RST to the other
 *
 * A direction that has ended leaves the other as it is, for as long as that lasts.
 */
export class Bridge {
  readonly #near: Leg;
  readonly #far: Leg;
  readonly #onClosed: (outcome: BridgeOutcome) => void;
  #isClosed = false;

  /**
   * Takes over both pipes, to which nobody may be attached. `onClosed` is called once, and last. `poll`
   * hears of what passes.
   */
  constructor(near: Pipe, far: Pipe, onClosed: (outcome: BridgeOutcome) => void, poll?: BusyPoll) {
    this.#onClosed = onClosed;
    const onEnded = (): void => this.#onEnded();
    this.#near = new Leg(near, onEnded, (cause) => this.#onBroken('near', cause), poll);
    this.#far = new Leg(far, onEnded, (cause) => this.#onBroken('far', cause), poll);
    this.#near.join(this.#far);
    this.#far.join(this.#near);
  }

  get near(): LegStats {
    return this.#near.stats;
  }

  get far(): LegStats {
    return this.#far.stats;
  }

  /** RST to both sides; `onClosed` is not called. */
  abort(): void {
    this.#isClosed = true;
    this.#near.pipe.abort();
    this.#far.pipe.abort();
  }

  #onEnded(): void {
    if (!this.#near.hasEnded || !this.#far.hasEnded) return;
    this.#close({ kind: 'finished' });
  }

  #onBroken(by: 'near' | 'far', cause: BrokenPipe): void {
    const other = by === 'near' ? this.#far : this.#near;
    other.pipe.abort();
    this.#close({ kind: 'reset', by, cause });
  }

  #close(outcome: BridgeOutcome): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed(outcome);
  }
}

/** One side: passes on what it reads to the other one. */
class Leg implements PipeHandler {
  readonly pipe: Pipe;
  readonly stats = { receivedBytes: ZERO, sentBytes: ZERO, congestions: 0 };
  #other: Leg = this;
  readonly #onEnded: () => void;
  readonly #onBroken: (cause: BrokenPipe) => void;
  readonly #poll: BusyPoll | undefined;
  #isFinReceived = false;
  #isFinSent = false;

  constructor(
    pipe: Pipe,
    onEnded: () => void,
    onBroken: (cause: BrokenPipe) => void,
    poll: BusyPoll | undefined,
  ) {
    this.pipe = pipe;
    this.#poll = poll;
    this.#onEnded = onEnded;
    this.#onBroken = onBroken;
    pipe.attach(this);
  }

  join(other: Leg): void {
    this.#other = other;
    if (other.pipe.writable) this.pipe.resume();
  }

  get hasEnded(): boolean {
    return this.#isFinReceived && this.#isFinSent;
  }

  onChunk(chunk: Chunk): void {
    const other = this.#other;
    const { length } = chunk;
    this.stats.receivedBytes += length;
    const isTaken = other.pipe.send(chunk);
    assert(isTaken, 'a leg is read only while the other one can be written');
    other.stats.sentBytes += length;
    // The counts stand for the legs, because they hold on to nothing.
    this.#poll?.heard(this.stats, other.stats, length);
    if (other.pipe.writable) return;
    other.stats.congestions += 1;
    this.pipe.pause();
  }

  onDrain(): void {
    this.#other.pipe.resume();
  }

  onFin(): void {
    this.#isFinReceived = true;
    this.#other.pipe.sendFin();
    this.#onEnded();
  }

  onFinSent(): void {
    this.#isFinSent = true;
    this.#onEnded();
  }

  onBroken(cause: BrokenPipe): void {
    this.#onBroken(cause);
  }
}
