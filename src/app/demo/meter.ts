import { RateMeter } from '../../data/rate-meter.ts';

/** How far a download has come. Times are ms of one clock, sizes are bytes. */
export class Meter {
  readonly label: string;
  readonly total: number;
  /** What a reader should know beside the figures. */
  note = '';
  readonly #recent = new RateMeter(RECENT);
  #bytes = 0;
  #startedAt: number | null = null;
  #lastAt = 0;
  #endedAt: number | null = null;
  #longestGap = 0;

  constructor(label: string, total: number) {
    this.label = label;
    this.total = total;
  }

  start(now: number): void {
    this.#startedAt = now;
    this.#lastAt = now;
  }

  add(bytes: number, now: number): void {
    const gap = now - this.#lastAt;
    if (this.#bytes > 0) this.#longestGap = Math.max(this.#longestGap, gap);
    this.#recent.add(gap, bytes);
    this.#bytes += bytes;
    this.#lastAt = now;
  }

  end(now: number): void {
    this.#endedAt = now;
  }

  get state(): 'waiting' | 'running' | 'ended' {
    if (this.#startedAt === null) return 'waiting';
    return this.#endedAt === null ? 'running' : 'ended';
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** From 0 to 1. */
  get done(): number {
    return this.#bytes / this.total;
  }

  /** The longest time between two arrivals. */
  get longestGap(): number {
    return this.#longestGap;
  }

  /** From the request to the last byte; while running, to the last arrival. */
  get elapsed(): number {
    return this.#startedAt === null ? 0 : (this.#endedAt ?? this.#lastAt) - this.#startedAt;
  }

  /** Bytes per second: over the last second while running, over all of it afterwards. */
  get rate(): number {
    if (this.state === 'running') return this.#recent.rate(RECENT) * 1000;
    return this.elapsed === 0 ? 0 : (this.#bytes / this.elapsed) * 1000;
  }

  /** Time to go at this rate; Infinity if nothing comes. */
  get left(): number {
    return ((this.total - this.#bytes) / this.rate) * 1000;
  }
}

const RECENT = 1000; // ms
