/** Keeps the event loop from waiting in the kernel: it turns on and on, and finds at once what has come. */
export interface Wakefulness {
  begin(): void;
  end(): void;
}

/**
 * Node's event loop does not wait while an immediate is due. One that is due and never runs keeps it awake
 * without a callback for each turn, which would take time and leave more garbage than Node's turn does by
 * itself. It is made of Node's own parts, undocumented and looked at before they are relied on; where they
 * can't be had, an immediate that calls for the next one does the same. Tested on Node 20, 22 and 24.
 */
export class Awake implements Wakefulness {
  readonly #lever = newLever();
  /** The one that is due, where there is no lever. */
  #next: NodeJS.Immediate | undefined;

  begin(): void {
    if (this.#lever === null) this.#again();
    else this.#lever.ref();
  }

  end(): void {
    clearImmediate(this.#next);
    this.#lever?.unref();
  }

  readonly #again = (): void => {
    this.#next = setImmediate(this.#again);
  };
}

interface Lever {
  ref(): void;
  unref(): void;
}

/** The part of an immediate that the event loop counts, without what would run. */
function newLever(): Lever | null {
  const immediate = setImmediate(() => {});
  clearImmediate(immediate);
  const { ref, unref } = immediate;
  const counted = Object.getOwnPropertySymbols(immediate).find(
    ({ description }) => description === 'refed',
  );
  if (counted === undefined || typeof ref !== 'function' || typeof unref !== 'function')
    return null;
  return { [counted]: false, ref, unref } as Lever;
}
