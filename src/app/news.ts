import type { LogFields } from '../core/log.ts';

/** The same thing is news again after this long, ms. */
const AGAIN_AFTER = 60_000;
/** Kinds of things that are remembered; what a stranger may choose must not fill the memory. */
const MAX_KINDS = 64;

/** Keeps what happens over and over from flooding the log: each kind of thing is told once a minute. */
export class News {
  readonly #told = new Map<string, { readonly at: number; repeats: number }>();

  /**
   * Texts that differ only in their numbers are of one kind.
   * @returns null if it is to go untold now; otherwise fields for the log: how often it went untold
   */
  tell(text: string, now: number): LogFields | null {
    const kind = text.replace(/\d+/g, '0');
    const last = this.#told.get(kind);
    if (last !== undefined && now - last.at < AGAIN_AFTER) {
      last.repeats += 1;
      return null;
    }
    if (last === undefined && this.#told.size >= MAX_KINDS) this.#forgetOld(now);
    if (last === undefined && this.#told.size >= MAX_KINDS) return null;
    this.#told.set(kind, { at: now, repeats: 0 });
    return last === undefined || last.repeats === 0 ? {} : { repeats: last.repeats };
  }

  #forgetOld(now: number): void {
    for (const [kind, { at }] of this.#told) {
      if (now - at >= AGAIN_AFTER) this.#told.delete(kind);
    }
  }
}
