import type { Logger } from '../core/log.ts';

/** Connections that have not shown yet what they are: in all, and from one address. */
const MAX_STRANGERS = 256;
const MAX_STRANGERS_PER_HOST = 64;

/** Counts the strangers, and turns away those beyond the limits. */
export class Strangers {
  readonly #logger: Logger;
  readonly #byHost = new Map<string, number>();
  #count = 0;
  #turnedAway = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @returns false if there are too many; otherwise `leave` follows */
  admit(host: string, peer: string): boolean {
    const ofHost = this.#byHost.get(host) ?? 0;
    if (this.#count >= MAX_STRANGERS || ofHost >= MAX_STRANGERS_PER_HOST) {
      this.#noteTurnedAway(peer);
      return false;
    }
    this.#count += 1;
    this.#byHost.set(host, ofHost + 1);
    return true;
  }

  leave(host: string): void {
    this.#count -= 1;
    const left = this.#byHost.get(host)! - 1;
    if (left === 0) this.#byHost.delete(host);
    else this.#byHost.set(host, left);
  }

  /** A flood is told at its first connection and every thousandth, not per connection. */
  #noteTurnedAway(peer: string): void {
    this.#turnedAway += 1;
    if (this.#turnedAway % 1_000 !== 1) return;
    this.#logger.warn('too many connections without a handshake; turned away', {
      peer,
      turnedAway: this.#turnedAway,
    });
  }
}
