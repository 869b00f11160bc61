/**
 * A copy that shares no memory with `bytes`. `slice()` would not do: chunks may be Node's `Buffer`s,
 * whose `slice()` is a view.
 */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
