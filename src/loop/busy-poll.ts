import type { Clock } from './clock.ts';

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
 * window at most. It learns from the gaps between messages also while it sleeps, so that it need not
 * poll to find out whether that would pay (as Linux's haltpoll governor does).
 */
export class BusyPoll {
  readonly #clock: Clock;
  readonly #window: number;
  #speaker: unknown = null;
  #heardAt = 0;
  /** Of the last messages, the share that answered the one before them within the window. */
  #paid = 0;
  #isAwake = false;

  /** `window`: how long an answer is waited for, ms; 0 never polls. */
  constructor(clock: Clock, window: number) {
    this.#clock = clock;
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
    if (this.#isAwake || this.#paid < WORTH) return;
    this.#isAwake = true;
    this.#clock.soon(this.#look);
  }

  readonly #look = (): void => {
    this.#isAwake = this.#paid >= WORTH && this.#clock.now() - this.#heardAt < this.#window;
    if (this.#isAwake) this.#clock.soon(this.#look);
  };
}
