import {
  HANDSHAKE_RECORD,
  offeredIdentity,
  RECORD_HEADER_BYTES,
  recordBytes,
} from './client-hello.ts';
import { readU32 } from './frame.ts';
import { GREETING_AFFINITY_AT, GREETING_BYTES, hasMagic } from './handshake.ts';

/**
 * A number that all lanes of a session carry in their first bytes, in the clear, so that an exit of
 * several processes can bring them together before it has read anything secret. It proves nothing and
 * is not secret: a false one only leads to a process that does not know the session.
 *
 * On TLS it stands behind the PSK identity, as 8 hexadecimal digits; on a plain lane, in the greeting.
 */
export const MAX_AFFINITY = 0xffff_ffff;

/** An honest lane shows its affinity within so many bytes. */
export const MAX_HEAD_BYTES = 4_096;

const DIGITS = 8;

/** What goes behind the PSK identity. */
export function affinityDigits(affinity: number): string {
  return affinity.toString(16).padStart(DIGITS, '0');
}

/** The affinity in the first bytes of a connection; `more` while it may yet come, `none` if it cannot. */
export function affinityOf(head: Uint8Array): number | 'more' | 'none' {
  if (head.length === 0) return 'more';
  if (head[0] === HANDSHAKE_RECORD) return affinityOfTls(head);
  if (!hasMagic(head)) return 'none';
  return head.length < GREETING_BYTES ? 'more' : readU32(head, GREETING_AFFINITY_AT);
}

function affinityOfTls(head: Uint8Array): number | 'more' | 'none' {
  if (head.length < RECORD_HEADER_BYTES) return 'more';
  const length = recordBytes(head);
  if (length > MAX_HEAD_BYTES) return 'none';
  if (head.length < length) return 'more';
  const identity = offeredIdentity(head.subarray(0, length));
  return identity === null ? 'none' : numberOf(identity.subarray(-DIGITS));
}

function numberOf(digits: Uint8Array): number | 'none' {
  const text = String.fromCharCode(...digits);
  return /^[0-9a-f]{8}$/.test(text) ? Number.parseInt(text, 16) : 'none';
}
