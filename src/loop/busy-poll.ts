import type { Wakefulness } from './awake.ts';
import type { Clock, Timer } from './clock.ts';

/** Longer messages are bulk, which keeps the loop busy by itself, bytes. */
const LONGEST_MESSAGE = 16 * 1024;
/** Messages that the share of those that paid looks back on, about. */
const MEMORY = 16;
/** It is polled while at least this share of messages was answered in time. */
const WORTH = 3 / 4;

/**
 * Keeps the event loop awake for a moment after each message of a conversation in lockstep, where the
 * next message is the answer to the last one: to fall asleep and be woken up takes longer than all that
 * a proxy does with it.
 *
 *     message --> answer --> message --> answer    each within the window: poll
 *     message -------------> answer --> message    a long route, or a slow speaker: every other is late: sleep
 *     chunk --> chunk --> chunk                    no answers: sleep
 *
 * What it costs is bounded: three of four polls at least were cut short by an answer, and each takes one
 * window at most, or the millisecond that Node's timers count in. It learns from the gaps between messages also while it sleeps, so that it need not
 * poll to find out whether that would pay (as Linux's haltpoll governor does).
 */
export class BusyPoll {
  readonly #clock: Clock;
  readonly #loop: Wakefulness;
  readonly #window: number;
  #speaker: unknown = null;
  #heardAt = 0;
  /** Of the last messages, the share that answered the one before them within the window. */
  #paid = 0;
  #isAwake = false;
  /** Set while awake: when to look whether the window has passed. */
  #timer: Timer | null = null;

  /** `window`: how long an answer is waited for, ms; 0 never polls. */
  constructor(clock: Clock, loop: Wakefulness, window: number) {
    this.#clock = clock;
    this.#loop = loop;
    this.#window = window;
  }

  /** `bytes` have come from `speaker`, to be passed on to `listener`. */
  heard(speaker: unknown, listener: unknown, bytes: number): void {
    if (this.#window === 0) return;
    const now = this.#clock.now();
    const isAnswer = this.#speaker === listener && bytes <= LONGEST_MESSAGE;
    const hasPaid = isAnswer && now - this.#heardAt <= this.#window;
    this.#paid += ((hasPaid ? 1 : 0) - this.#paid) / MEMORY;
    this.#speaker = speaker;
    this.#heardAt = now;
    const isWorth = this.#paid >= WORTH;
    if (isWorth === this.#isAwake) return;
    if (isWorth) this.#begin();
    else this.#end();
  }

  #begin(): void {
    this.#isAwake = true;
    this.#loop.begin();
    this.#timer ??= this.#clock.at(this.#heardAt + this.#window, this.#look);
  }

  #end(): void {
    this.#isAwake = false;
    this.#loop.end();
  }

  readonly #look = (): void => {
    this.#timer = null;
    if (!this.#isAwake) return;
    const until = this.#heardAt + this.#window;
    if (this.#clock.now() < until) this.#timer = this.#clock.at(until, this.#look);
    else this.#end();
  };
}
