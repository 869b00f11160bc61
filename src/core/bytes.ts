/**
 * A copy that shares no memory with `bytes`. `slice()` would not do: chunks may be Node's `Buffer`s,
 * whose `slice()` is a view.
 */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** Bytes that are taken from the system at a time, and the longest piece that is cut from them. */
const BLOCK = 16 * 1024;
const LONGEST_CUT = 4 * 1024;

let block = new Uint8Array(BLOCK);
let cut = 0;

/**
 * Memory of `length` bytes for what is soon written and then forgotten. Its content does not matter.
 *
 * Short pieces lie side by side in one block: an array with memory of its own takes V8 ten times as
 * long to make. Whatever waits for an acknowledgement would keep the whole block, and needs memory of its own.
 */
export function shortLived(length: number): Uint8Array {
  if (length > LONGEST_CUT) return new Uint8Array(length);
  if (cut + length > BLOCK) {
    block = new Uint8Array(BLOCK);
    cut = 0;
  }
  const start = cut;
  cut += length;
  return block.subarray(start, cut);
}
