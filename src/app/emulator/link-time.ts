import type { Clock } from '../../loop/clock.ts';

/** A clock's time that stands still while anybody holds it. In ms. */
export class LinkTime {
  readonly #clock: Clock;
  readonly #holds = new Set<string>();
  #heldAt = 0;
  /** The length of all holds that are over. */
  #lost = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isHeld(): boolean {
    return this.#holds.size > 0;
  }

  now(): number {
    return (this.isHeld ? this.#heldAt : this.#clock.now()) - this.#lost;
  }

  /** The clock's time at `time`, unless a hold comes between. */
  onClock(time: number): number {
    return time + this.#lost;
  }

  hold(reason: string): void {
    if (!this.isHeld) this.#heldAt = this.#clock.now();
    this.#holds.add(reason);
  }

  /** Time goes on when no reason is left. */
  release(reason: string): void {
    if (!this.#holds.delete(reason) || this.isHeld) return;
    this.#lost += this.#clock.now() - this.#heldAt;
  }
}
