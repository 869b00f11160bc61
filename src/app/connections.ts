import { Roster } from '../data/roster.ts';
import type { BridgeOutcome } from '../io/bridge.ts';
import { Bridge } from '../io/bridge.ts';
import type { Pipe } from '../io/pipe.ts';
import { Awake } from '../loop/awake.ts';
import { BusyPoll } from '../loop/busy-poll.ts';
import { nodeClock } from '../loop/node-clock.ts';

/** The bridges of a proxy: started, counted, and ended with it. */
export class Connections {
  readonly #bridges = new Roster<Bridge>();
  readonly #waiters: (() => void)[] = [];
  readonly #poll: BusyPoll;

  /** `busyPoll`: see `BusyPoll`, ms. */
  constructor(busyPoll: number) {
    this.#poll = new BusyPoll(nodeClock, new Awake(), busyPoll);
  }

  get active(): number {
    return this.#bridges.size;
  }

  join(near: Pipe, far: Pipe, onClosed?: (outcome: BridgeOutcome) => void): void {
    const end = (outcome: BridgeOutcome): void => {
      this.#bridges.remove(seat);
      onClosed?.(outcome);
      this.#noteIdle();
    };
    const bridge = new Bridge(near, far, end, this.#poll);
    const seat = this.#bridges.add(bridge);
  }

  /** Resolves when there are none. */
  idle(): Promise<void> {
    if (this.#bridges.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** RST to all. */
  abort(): void {
    for (const bridge of this.#bridges.takeAll()) bridge.abort();
    this.#noteIdle();
  }

  #noteIdle(): void {
    if (this.#bridges.size > 0) return;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
