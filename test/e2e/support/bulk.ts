import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Pattern } from './traffic.ts';

/** Bytes that one write carries. */
const PIECE = 64 * 1024;

/**
 * Sends without end from one end of a connection to the other, both in this process, checks every
 * byte that arrives, and notes when it came.
 */
export class Bulk {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #pattern: Pattern;
  readonly #times: number[] = [];
  /** Bytes up to and with each arrival. */
  readonly #totals: number[] = [];
  readonly #sending: Promise<void>;
  readonly #received: Promise<void>;
  #sentBytes = 0;
  #isStopped = false;

  constructor(from: Socket, to: Socket, seed = 1) {
    this.#from = from;
    this.#to = to;
    this.#pattern = new Pattern(seed);
    this.#received = new Promise((resolve, reject) => {
      to.on('data', (bytes: Buffer) => {
        try {
          this.#onBytes(bytes);
        } catch (error) {
          reject(error as Error);
          to.destroy();
        }
      });
      to.on('end', resolve);
      to.on('error', reject);
      from.on('error', reject);
      to.on('close', () => reject(new Error('closed before its end')));
    });
    // Whoever stops it hears of it.
    this.#received.catch(() => {});
    this.#sending = this.#send(seed);
    this.#sending.catch(() => {});
  }

  /** Bytes that came by now. */
  get bytes(): number {
    return this.#totals.at(-1) ?? 0;
  }

  /** Bytes per second that came between two times of `performance.now()`. */
  rate(from: number, until: number): number {
    return (this.#bytesAt(until) - this.#bytesAt(from)) / ((until - from) / 1000);
  }

  /** The longest time without an arrival between the two, ms. */
  longestGap(from: number, until: number): number {
    let last = from;
    let longest = 0;
    for (const time of this.#times) {
      if (time < from) continue;
      if (time > until) break;
      longest = Math.max(longest, time - last);
      last = time;
    }
    return Math.max(longest, until - last);
  }

  /** When the first bytes came after that time. */
  firstAfter(time: number): number | undefined {
    return this.#times.find((at) => at > time);
  }

  /** Sends no more, and waits until all of it has arrived. @throws what went wrong on the way */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.race([this.#sending, this.#received]);
    this.#from.end();
    await this.#received;
    assert.equal(this.bytes, this.#sentBytes, 'bytes that arrived');
    this.#to.end();
    this.destroy();
  }

  destroy(): void {
    this.#isStopped = true;
    this.#from.destroy();
    this.#to.destroy();
  }

  async #send(seed: number): Promise<void> {
    const pattern = new Pattern(seed);
    while (!this.#isStopped) {
      this.#sentBytes += PIECE;
      if (!this.#from.write(pattern.take(PIECE))) await once(this.#from, 'drain');
    }
  }

  #onBytes(bytes: Buffer): void {
    this.#times.push(performance.now());
    const before = this.bytes;
    this.#totals.push(before + bytes.length);
    const isRight = this.#pattern.take(bytes.length).equals(bytes);
    if (!isRight) throw new Error(`wrong bytes after ${before}`);
  }

  #bytesAt(time: number): number {
    let low = 0;
    let high = this.#times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#times[middle]! <= time) low = middle + 1;
      else high = middle;
    }
    return this.#totals[low - 1] ?? 0;
  }
}
