/**
 * Bytes that a doorbell takes: a little more than a TLS record or a usual buffer of 16 KiB, so that
 * such a message comes in one read and does not fill the doorbell exactly.
 */
export const DOORBELL = 17 * 1024;

/** Views of its front are kept up to this length, bytes: there is one for each length. */
const LONGEST_KEPT = 1024;

/** Where a read lands that may be short. Sockets share it: it is in use from a read to `landed()` only. */
export class Doorbell {
  readonly bytes: Uint8Array;
  readonly #fronts = new Array<Uint8Array | undefined>(LONGEST_KEPT + 1);

  /** Takes over `DOORBELL` bytes. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Its first `length` bytes. */
  front(length: number): Uint8Array {
    if (length > LONGEST_KEPT) return this.bytes.subarray(0, length);
    const kept = this.#fronts[length];
    if (kept !== undefined) return kept;
    const front = this.bytes.subarray(0, length);
    this.#fronts[length] = front;
    return front;
  }
}
