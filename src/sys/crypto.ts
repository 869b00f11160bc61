import { createHmac, randomBytes as fill, hkdfSync, timingSafeEqual } from 'node:crypto';

export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return plain(createHmac('sha256', key).update(data).digest());
}

/** HKDF-SHA256 without salt. `purpose` keeps the keys derived from one secret apart. */
export function hkdfSha256(secret: Uint8Array, purpose: string, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), purpose, length));
}

/** Takes a time that tells nothing of where the two differ; only their lengths may show. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Unpredictable bytes, fit for keys and nonces. */
export function randomBytes(length: number): Uint8Array {
  return plain(fill(length));
}

/** What the pure handshake borrows from the platform. */
export const crypto = { hmacSha256, equal, randomBytes };

/** Buffers slice and print otherwise than the Uint8Array that callers expect. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}
