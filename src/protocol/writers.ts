import type { Budget } from '../data/budget.ts';
import { OnceQueue } from '../data/once-queue.ts';
import { type Channel, ChannelQueue } from './channel.ts';

/** A channel's unsent bytes at which its writer waits; the second once half the budget is used. */
const QUEUE_BYTES = 256 * 1024;
const QUEUE_BYTES_SHORT = 32 * 1024;
/** Channels with data that wait for a lane at one time; beyond that, a writer waits with its first unsent byte. */
const MOST_READY = 16;

/** What `Writers` ask of those around them. */
export interface WritersHandler {
  /** How many channels have data that waits for a lane. */
  backlog(): number;
  /** The channel's writer may go on. */
  wake(channel: Channel): void;
  /** Call `serve` in a later turn. It may come from inside of another session. */
  again(): void;
}

/**
 * Decides which writers wait. Each channel may queue a little ahead of its lanes; all that is held
 * for sending or re-sending, over all sessions of the process, stays within one budget.
 *
 * A thousand busy writers are not all heard at once: some have data ready for the lanes, the others
 * stand in line, and what they have to say stays in the kernel, where it costs nothing to keep.
 *
 * Invariant: a writer that waits either has a queue that is to get shorter, or stands in line; and a
 * line is served when the lanes take data, when another session gives back what it held, or in the
 * next turn.
 */
export class Writers {
  readonly #budget: Budget;
  readonly #handler: WritersHandler;
  /** Those who may write again when it is their turn: first come, first served. */
  readonly #line = new OnceQueue<Channel>(ChannelQueue.line);

  constructor(budget: Budget, handler: WritersHandler) {
    this.#budget = budget;
    this.#handler = handler;
  }

  /** The channel has queued `bytes` more. */
  take(bytes: number): void {
    this.#budget.take(bytes);
  }

  /** Decides whether the channel's writer must wait from now on. */
  check(channel: Channel): void {
    const { queuedBytes } = channel.send;
    const isCrowded = queuedBytes > 0 && this.#handler.backlog() >= MOST_READY;
    if (channel.isCongested || (queuedBytes < this.#queueLimit() && !isCrowded)) return;
    channel.isCongested = true;
    if (queuedBytes > 0) return;
    this.#line.push(channel);
    this.#waitForTurn();
  }

  /** `bytes` of a channel are held no longer. */
  give(bytes: number): void {
    this.#budget.give(bytes);
  }

  /** The queue of a waiting writer has become shorter. Interactive ones need not stand in line. */
  onShortened(channel: Channel, now: number): void {
    const { send, isCongested } = channel;
    if (!isCongested || send.queuedBytes > this.#queueLimit() / 2) return;
    if (send.isSparse(now) && this.#budget.free > 0) this.#release(channel);
    else this.#line.push(channel);
  }

  /** Wakes those in line, as far as the budget goes and the lanes keep up. */
  serve(): void {
    if (this.#line.size === 0) return;
    let room = this.#budget.free;
    let places = MOST_READY - this.#handler.backlog();
    while (room > 0 && places > 0) {
      const channel = this.#line.shift();
      if (channel === undefined) break;
      room -= QUEUE_BYTES_SHORT;
      places -= 1;
      this.#release(channel);
    }
    this.#waitForTurn();
  }

  /** The channel has nothing to write any more. */
  forget(channel: Channel): void {
    this.#line.delete(channel);
  }

  clear(): void {
    this.#line.clear();
    this.#budget.forget(this.#again);
  }

  /** Whoever stands in line now will hear of it, even if nothing else happens in this session. */
  #waitForTurn(): void {
    if (this.#line.size === 0) return;
    if (this.#budget.free === 0) this.#budget.wait(this.#again);
    // Where the lanes are behind, they will take something.
    else if (this.#handler.backlog() < MOST_READY) this.#again();
  }

  readonly #again = (): void => this.#handler.again();

  #release(channel: Channel): void {
    this.#line.delete(channel);
    channel.isCongested = false;
    this.#handler.wake(channel);
  }

  #queueLimit(): number {
    const { free, limit } = this.#budget;
    if (free > limit / 2) return QUEUE_BYTES;
    return free > 0 ? QUEUE_BYTES_SHORT : 0;
  }
}
