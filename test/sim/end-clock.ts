import type { Clock, Timer } from '../../src/loop/clock.ts';
import type { VirtualClock } from '../../src/loop/virtual-clock.ts';
import type { Random } from './random.ts';

/**
 * Time as one process sees it: timers have Node's granularity, and while the process is stopped
 * (SIGSTOP, a blocked event loop) nothing runs, yet time goes on.
 */
export class EndClock implements Clock {
  readonly #world: VirtualClock;
  readonly #random: Random;
  #isStopped = false;
  #input: (() => void)[] = [];
  #timers: (() => void)[] = [];

  constructor(world: VirtualClock, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  now(): number {
    return this.#world.now();
  }

  at(deadline: number, fn: () => void): Timer {
    let isCancelled = false;
    const delay = Math.max(1, Math.ceil(deadline - this.now()));
    const timer = this.#world.at(this.now() + delay, () => {
      if (!this.#isStopped) fn();
      else this.#timers.push(() => isCancelled || fn());
    });
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  soon(fn: () => void): void {
    this.#world.soon(() => this.input(fn));
  }

  /** Something has come in for this process. */
  input(fn: () => void): void {
    if (this.#isStopped) this.#input.push(fn);
    else fn();
  }

  /** As `input`, but not from inside the caller. */
  inputSoon(fn: () => void): void {
    this.#world.soon(() => this.input(fn));
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** What was due runs now, in one turn: input first or timers first, both happen. */
  resume(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    const parts = [this.#input, this.#timers];
    this.#input = [];
    this.#timers = [];
    if (this.#random.chance(0.5)) parts.reverse();
    for (const part of parts) for (const fn of part) fn();
  }
}
