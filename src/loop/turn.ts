/**
 * Turns of the event loop, for all who put work off to the end of one: a single immediate serves
 * them all.
 */
class Turn {
  #number = 0;
  #isArmed = false;
  #ends: (() => void)[] = [];

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
    this.#ends.push(end);
  }

  readonly #onEnd = (): void => {
    this.#isArmed = false;
    this.#number += 1;
    const ends = this.#ends;
    this.#ends = [];
    for (const end of ends) end();
  };
}

export const turn = new Turn();
