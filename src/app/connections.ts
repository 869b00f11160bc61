import type { BridgeOutcome } from '../io/bridge.ts';
import { Bridge } from '../io/bridge.ts';
import type { Pipe } from '../io/pipe.ts';

/** The bridges of a proxy: started, counted, and ended with it. */
export class Connections {
  readonly #bridges = new Set<Bridge>();
  readonly #waiters: (() => void)[] = [];

  get active(): number {
    return this.#bridges.size;
  }

  join(near: Pipe, far: Pipe, onClosed?: (outcome: BridgeOutcome) => void): void {
    const bridge = new Bridge(near, far, (outcome) => {
      this.#bridges.delete(bridge);
      onClosed?.(outcome);
      this.#noteIdle();
    });
    this.#bridges.add(bridge);
  }

  /** Resolves when there are none. */
  idle(): Promise<void> {
    if (this.#bridges.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** RST to all. */
  abort(): void {
    for (const bridge of this.#bridges) bridge.abort();
    this.#bridges.clear();
    this.#noteIdle();
  }

  #noteIdle(): void {
    if (this.#bridges.size > 0) return;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
