import { MiB, median } from '../e2e/support/numbers.ts';
import type { ProxyProcess } from '../e2e/support/proxy-process.ts';

/** Fewer samples say nothing. */
const LEAST = 16;
/** What the last quarter may have more than the second: a share, and as much as a collection frees. */
const GROWTH = 0.15;
const SLACK = 16 * MiB;

/**
 * The resident memory of one process over its life. It is flat when the median of the last quarter of
 * samples is not above that of the second quarter by more than 15 % and 16 MiB; the first is warming up.
 */
export class MemoryWatch {
  readonly #proxy: ProxyProcess;
  readonly #samples: number[] = [];

  constructor(proxy: ProxyProcess) {
    this.#proxy = proxy;
  }

  sample(): void {
    if (this.#proxy.isRunning) this.#samples.push(this.#proxy.rss);
  }

  /** Bytes, at last. */
  get last(): number {
    return this.#samples.at(-1) ?? 0;
  }

  /** Bytes, in the second and in the last quarter; null when there are too few samples. */
  get quarters(): { readonly second: number; readonly last: number } | null {
    const quarter = Math.floor(this.#samples.length / 4);
    if (this.#samples.length < LEAST) return null;
    return {
      second: median(this.#samples.slice(quarter, 2 * quarter)),
      last: median(this.#samples.slice(-quarter)),
    };
  }

  get isFlat(): boolean {
    const { quarters } = this;
    return quarters === null || quarters.last <= quarters.second * (1 + GROWTH) + SLACK;
  }
}
