import type { Budget } from '../data/budget.ts';
import { Deque } from '../data/deque.ts';
import type { Channel } from './channel.ts';

/** A channel's unsent bytes at which its writer waits; the second once half the budget is used. */
const QUEUE_BYTES = 256 * 1024;
const QUEUE_BYTES_SHORT = 32 * 1024;

/**
 * Decides which writers wait. Each channel may queue a little ahead of its lanes; all that is held
 * for sending or re-sending, over all sessions of the process, stays within one budget.
 *
 * Invariant: a writer that waits is woken by its own queue getting shorter, or, if there was no
 * budget for anybody, in turn as budget returns.
 */
export class Writers {
  readonly #budget: Budget;
  readonly #wake: (channel: Channel) => void;
  readonly #starved = new Deque<Channel>();

  constructor(budget: Budget, wake: (channel: Channel) => void) {
    this.#budget = budget;
    this.#wake = wake;
  }

  /** The channel has queued `bytes` more. */
  take(bytes: number): void {
    this.#budget.take(bytes);
  }

  /** Decides whether the channel's writer must wait from now on. */
  check(channel: Channel): void {
    const limit = this.#queueLimit();
    if (channel.isCongested || channel.send.queuedBytes < limit) return;
    channel.isCongested = true;
    if (limit === 0) this.#starved.push(channel);
  }

  /** `bytes` of a channel are held no longer. */
  give(bytes: number): void {
    this.#budget.give(bytes);
  }

  /** The queue of a waiting writer has become shorter. */
  onShortened(channel: Channel): void {
    const limit = this.#queueLimit();
    if (channel.isCongested && channel.send.queuedBytes <= limit / 2 && limit > 0) {
      channel.isCongested = false;
      this.#wake(channel);
    } else if (channel.isCongested && channel.send.queuedBytes === 0) {
      this.#starved.push(channel);
    }
  }

  /** Wakes those who wait for the budget, as far as it goes. */
  feedStarved(): void {
    let room = this.#budget.free;
    while (room > 0) {
      const channel = this.#starved.shift();
      if (channel === undefined) return;
      if (!channel.isCongested || channel.isReset) continue;
      channel.isCongested = false;
      room -= QUEUE_BYTES_SHORT;
      this.#wake(channel);
    }
  }

  clear(): void {
    this.#starved.clear();
  }

  #queueLimit(): number {
    const { free, limit } = this.#budget;
    if (free > limit / 2) return QUEUE_BYTES;
    return free > 0 ? QUEUE_BYTES_SHORT : 0;
  }
}
