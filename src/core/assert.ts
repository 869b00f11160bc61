/** A broken promise of our own code: never the peer's or the user's fault. */
export class Bug extends Error {
  override readonly name = 'Bug';
}

export function assert(holds: boolean, invariant: string): asserts holds {
  if (!holds) throw new Bug(`invariant broken: ${invariant}`);
}
