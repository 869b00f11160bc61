import { readU16, readU24 } from './frame.ts';

/**
 * As much of TLS 1.3's ClientHello (RFC 8446, 4.1.2) as it takes to find the PSK identity in it, which
 * is sent in the clear:
 *
 *   record     type u8 = 22 | version u16 | length u16 | handshake message
 *   message    type u8 = 1 | length u24 | version u16 | random 32 | session id <u8> |
 *              cipher suites <u16> | compression <u8> | extensions <u16>
 *   extension  type u16 | data <u16>;   of type 41: identities <u16>, each identity <u16> | age u32
 *
 * where <uN> is a length in N bits and that many bytes.
 */
export const HANDSHAKE_RECORD = 22;
export const RECORD_HEADER_BYTES = 5;
const CLIENT_HELLO = 1;
const PRE_SHARED_KEY = 41;
const RANDOM_BYTES = 32;

/** Bytes of the record, header and all, that begins with these (at least its header). */
export function recordBytes(header: Uint8Array): number {
  return RECORD_HEADER_BYTES + readU16(header, 3);
}

/** The first PSK identity in a whole record; null if it holds none, or is no ClientHello. */
export function offeredIdentity(record: Uint8Array): Uint8Array | null {
  const message = new Reader(record.subarray(RECORD_HEADER_BYTES));
  if (message.take(1)?.[0] !== CLIENT_HELLO) return null;
  const hello = new Reader(message.vector(3));
  hello.take(2 + RANDOM_BYTES);
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  const extensions = new Reader(hello.vector(2));
  for (;;) {
    const type = extensions.take(2);
    const data = extensions.vector(2);
    if (type === null || data === null) return null;
    if (readU16(type, 0) === PRE_SHARED_KEY)
      return new Reader(new Reader(data).vector(2)).vector(2);
  }
}

/** Takes piece after piece from the front; null from the first one on that would go beyond the end. */
class Reader {
  #rest: Uint8Array | null;

  constructor(bytes: Uint8Array | null) {
    this.#rest = bytes;
  }

  take(length: number): Uint8Array | null {
    const rest = this.#rest;
    if (rest === null || rest.length < length) {
      this.#rest = null;
      return null;
    }
    this.#rest = rest.subarray(length);
    return rest.subarray(0, length);
  }

  /** What a length of so many bytes measures. */
  vector(lengthBytes: 1 | 2 | 3): Uint8Array | null {
    const length = this.take(lengthBytes);
    if (length === null) return null;
    if (lengthBytes === 1) return this.take(length[0]!);
    return this.take(lengthBytes === 2 ? readU16(length, 0) : readU24(length, 0));
  }
}
