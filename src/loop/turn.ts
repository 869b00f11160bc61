/** So many turns with something put off. */
const MANY = 4096;

/**
 * Turns of the event loop, for all who put work off to the end of one: a single immediate serves
 * them all.
 */
class Turn {
  /** Called after each `MANY` turns: often in a busy process, and never in an idle one. */
  onMany: (() => void) | null = null;
  #number = 0;
  #isArmed = false;
  /** What this turn's end brings: the first `#count` of it. */
  #ends: (() => void)[] = [];
  #count = 0;
  /** Another array, for the next turn: two that never shrink take turns, and make no garbage. */
  #spare: (() => void)[] = [];

  /** This turn's number; the next turn has another. */
  mark(): number {
    if (!this.#isArmed) {
      this.#isArmed = true;
      setImmediate(this.#onEnd);
    }
    return this.#number;
  }

  /** Calls `end` once, after this turn's events. */
  atEnd(end: () => void): void {
    this.mark();
    this.#ends[this.#count] = end;
    this.#count += 1;
  }

  readonly #onEnd = (): void => {
    this.#isArmed = false;
    this.#number += 1;
    const ends = this.#ends;
    const count = this.#count;
    this.#ends = this.#spare;
    this.#count = 0;
    this.#spare = ends;
    for (let at = 0; at < count; at += 1) {
      const end = ends[at]!;
      ends[at] = nothing;
      end();
    }
    if (this.#number % MANY === 0) this.onMany?.();
  };
}

function nothing(): void {}

export const turn = new Turn();
