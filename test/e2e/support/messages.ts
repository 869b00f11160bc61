import type { Socket } from 'node:net';

const LENGTH = 100;
const EVERY = 100; // ms

/**
 * Sends a message of 100 bytes every 100 ms (or `every`) from one end of a connection to the other, both in this
 * process, and notes how long each took.
 */
export class Messages {
  /** One-way times so far, ms. */
  readonly times: number[] = [];
  readonly #timer: NodeJS.Timeout;
  #partial = Buffer.alloc(0);

  constructor(from: Socket, to: Socket, every = EVERY) {
    this.#timer = setInterval(() => {
      const message = Buffer.alloc(LENGTH);
      message.writeDoubleBE(performance.now());
      from.write(message);
    }, every);
    to.on('data', (bytes: Buffer) => this.#onBytes(bytes));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #onBytes(bytes: Buffer): void {
    const now = performance.now();
    let rest = Buffer.concat([this.#partial, bytes]);
    for (; rest.length >= LENGTH; rest = rest.subarray(LENGTH)) {
      this.times.push(now - rest.readDoubleBE());
    }
    this.#partial = rest;
  }
}
