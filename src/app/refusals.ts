import type { Logger } from '../core/log.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { News } from './news.ts';

/** Tells the log why lanes were not taken: each cause once a minute, whoever it came from. */
export class Refusals {
  readonly #logger: Logger;
  readonly #news = new News();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  note(error: unknown, peer: string): void {
    const cause = error instanceof Error ? error.message : String(error);
    const news = this.#news.tell(cause.replace(peer, ''), nodeClock.now());
    this.#logger[news === null ? 'debug' : 'warn']('a lane was not taken', {
      peer,
      cause,
      ...news,
    });
  }
}
