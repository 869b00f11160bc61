import { readU16, readU32, readU48, writeU16, writeU32, writeU48 } from './frame.ts';

/**
 * How a lane joins a session. The entry speaks first; all numbers are big-endian.
 *
 *   HELLO  "TCPS" | versions u8 min, u8 max | kind u8 | flags u8 | lane u32 | session 16 | nonce 32 |
 *          settings length u16 | settings | mac 32
 *   REPLY  "TCPS" | version u8 | status u8 | versions u8 min, u8 max | lane u32 | session 16 | nonce 32 |
 *          settings length u16 | settings | mac 32
 *
 * Settings are `type u8 | length u8 | value`, in any order; unknown types are skipped.
 *
 * `binding` ties both to the connection that carries them: on TLS it is the exporter's secret, on a
 * plain connection a challenge of the exit's. A message recorded on one connection is worthless on
 * another.
 */
export const VERSION = { min: 1, max: 1 } as const;

export const HelloKind = { NEW: 0, JOIN: 1 } as const;
export type HelloKind = (typeof HelloKind)[keyof typeof HelloKind];

/** Flag: the lane is not encrypted. Both ends must want that. */
export const FLAG_PLAIN = 0x01;

export const ReplyStatus = {
  OK: 0,
  BAD_VERSION: 1,
  BAD_KEY: 2,
  UNKNOWN_SESSION: 3,
  BUSY: 4,
  GOING_AWAY: 5,
  BAD_HELLO: 6,
} as const;
export type ReplyStatus = (typeof ReplyStatus)[keyof typeof ReplyStatus];

/** One end's bounds, which the other end keeps. */
export interface Settings {
  /** Bytes that may be under way or unread, over all channels. */
  readonly sessionWindow: number;
  /** Bytes that may be sent on a new channel before its first WINDOW or OPEN_OK. */
  readonly initialWindow: number;
  /** Channels that may be open at a time. */
  readonly maxChannels: number;
  /** How long a session outlives its last lane, ms. */
  readonly resume: number;
}

export interface Hello {
  readonly kind: HelloKind;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly plain: boolean;
  readonly lane: number;
  /** 16 bytes; zeros for NEW. */
  readonly session: Uint8Array;
  /** 32 bytes of the sender's randomness. */
  readonly nonce: Uint8Array;
  readonly settings: Settings;
}

export interface Reply {
  readonly version: number;
  readonly status: ReplyStatus;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly lane: number;
  readonly session: Uint8Array;
  readonly nonce: Uint8Array;
  readonly settings: Settings;
}

/** What the handshake needs of a cryptographic library. */
export interface HandshakeCrypto {
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Takes the same time whether or not the two are equal. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}

export const SESSION_ID_BYTES = 16;
export const NONCE_BYTES = 32;
export const CHALLENGE_BYTES = 32;
const MAC_BYTES = 32;
const MAGIC = [0x54, 0x43, 0x50, 0x53] as const;
const FIXED_BYTES = 4 + 4 + 4 + SESSION_ID_BYTES + NONCE_BYTES + 2;
const MAX_SETTINGS_BYTES = 512;
/** The longest HELLO or REPLY. */
export const MAX_HANDSHAKE_BYTES = FIXED_BYTES + MAX_SETTINGS_BYTES + MAC_BYTES;

const SettingType = { SESSION_WINDOW: 1, INITIAL_WINDOW: 2, MAX_CHANNELS: 3, RESUME: 4 } as const;

/** The bytes are not a handshake of this protocol. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError';
}

/** True when these are the first bytes of our protocol, as far as they go. */
export function hasMagic(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, at) => at >= bytes.length || bytes[at] === byte);
}

/**
 * What a plain connection starts with: the entry asks for the challenge that the exit then sends,
 * so that a TLS exit sees at once that this is no TLS. `affinity` is u32 (see `affinity.ts`).
 */
export function plainGreeting(affinity: number): Uint8Array {
  const bytes = new Uint8Array(GREETING_BYTES);
  bytes.set([...MAGIC, VERSION.min, VERSION.max, 0, FLAG_PLAIN]);
  writeU32(bytes, GREETING_AFFINITY_AT, affinity);
  return bytes;
}

export const GREETING_AFFINITY_AT = 8;
export const GREETING_BYTES = GREETING_AFFINITY_AT + 4;

export function encodeHello(hello: Hello): Uint8Array {
  const head = [hello.minVersion, hello.maxVersion, hello.kind, hello.plain ? FLAG_PLAIN : 0];
  return encode(head, hello);
}

export function encodeReply(reply: Reply): Uint8Array {
  return encode([reply.version, reply.status, reply.minVersion, reply.maxVersion], reply);
}

/**
 * How many bytes the HELLO or REPLY that begins with `bytes` has, with its mac; null if that is not known yet.
 * @throws {HandshakeError} as soon as it cannot be one
 */
export function handshakeLength(bytes: Uint8Array): number | null {
  if (!hasMagic(bytes)) throw new HandshakeError('wrong magic: this is not tcp-striper');
  if (bytes.length < FIXED_BYTES) return null;
  const settings = readU16(bytes, FIXED_BYTES - 2);
  if (settings > MAX_SETTINGS_BYTES) throw new HandshakeError(`${settings} bytes of settings`);
  return FIXED_BYTES + settings + MAC_BYTES;
}

/** Reads a whole HELLO, mac and all. @throws {HandshakeError} */
export function decodeHello(bytes: Uint8Array): Hello {
  const [minVersion, maxVersion, kind, flags] = headOf(bytes);
  if (kind !== HelloKind.NEW && kind !== HelloKind.JOIN) throw new HandshakeError(`kind ${kind}`);
  return { kind, minVersion, maxVersion, plain: (flags & FLAG_PLAIN) !== 0, ...bodyOf(bytes) };
}

/** Reads a whole REPLY, mac and all. @throws {HandshakeError} */
export function decodeReply(bytes: Uint8Array): Reply {
  const [version, status, minVersion, maxVersion] = headOf(bytes);
  if (!isStatus(status)) throw new HandshakeError(`status ${status}`);
  return { version, status, minVersion, maxVersion, ...bodyOf(bytes) };
}

/** The highest version that both know, or null. */
export function commonVersion(minVersion: number, maxVersion: number): number | null {
  const version = Math.min(maxVersion, VERSION.max);
  return version >= Math.max(minVersion, VERSION.min) ? version : null;
}

/** The keys of the handshake: who has the shared key, or the session's, can make and check macs. */
export class HandshakeKeys {
  readonly #crypto: HandshakeCrypto;
  readonly #binding: Uint8Array;

  /** `binding`: 32 bytes, equal on both ends of this connection and of no other. */
  constructor(crypto: HandshakeCrypto, binding: Uint8Array) {
    this.#crypto = crypto;
    this.#binding = binding;
  }

  /** The key of a session made by this HELLO and REPLY. */
  sessionKey(sharedKey: Uint8Array, helloNonce: Uint8Array, replyNonce: Uint8Array): Uint8Array {
    return this.#mac(sharedKey, 'tcp-striper 1 session', helloNonce, replyNonce);
  }

  /** Appends the mac to an encoded HELLO. */
  sealHello(key: Uint8Array, hello: Uint8Array): Uint8Array {
    return join(hello, this.#mac(key, 'tcp-striper 1 hello', hello));
  }

  opensHello(key: Uint8Array, sealed: Uint8Array): boolean {
    const hello = sealed.subarray(0, -MAC_BYTES);
    const mac = this.#mac(key, 'tcp-striper 1 hello', hello);
    return this.#crypto.equal(mac, sealed.subarray(-MAC_BYTES));
  }

  /** Appends the mac to an encoded REPLY, bound to the HELLO that it answers. */
  sealReply(key: Uint8Array, sealedHello: Uint8Array, reply: Uint8Array): Uint8Array {
    return join(reply, this.#mac(key, 'tcp-striper 1 reply', sealedHello, reply));
  }

  opensReply(key: Uint8Array, sealedHello: Uint8Array, sealed: Uint8Array): boolean {
    const reply = sealed.subarray(0, -MAC_BYTES);
    const mac = this.#mac(key, 'tcp-striper 1 reply', sealedHello, reply);
    return this.#crypto.equal(mac, sealed.subarray(-MAC_BYTES));
  }

  #mac(key: Uint8Array, label: string, ...parts: Uint8Array[]): Uint8Array {
    const name = Uint8Array.from(label, (letter) => letter.charCodeAt(0));
    // Each part behind its length, so that no two lists of parts read the same.
    return this.#crypto.hmacSha256(key, join(...[name, this.#binding, ...parts].map(measured)));
  }
}

function encode(
  head: readonly [number, number, number, number] | number[],
  body: Pick<Hello, 'lane' | 'session' | 'nonce' | 'settings'>,
): Uint8Array {
  const settings = encodeSettings(body.settings);
  const bytes = new Uint8Array(FIXED_BYTES + settings.length);
  bytes.set(MAGIC, 0);
  bytes.set(head, 4);
  writeU32(bytes, 8, body.lane);
  bytes.set(body.session, 12);
  bytes.set(body.nonce, 12 + SESSION_ID_BYTES);
  writeU16(bytes, FIXED_BYTES - 2, settings.length);
  bytes.set(settings, FIXED_BYTES);
  return bytes;
}

function headOf(bytes: Uint8Array): [number, number, number, number] {
  if (handshakeLength(bytes) !== bytes.length) throw new HandshakeError('wrong length');
  return [bytes[4]!, bytes[5]!, bytes[6]!, bytes[7]!];
}

function bodyOf(bytes: Uint8Array): Pick<Hello, 'lane' | 'session' | 'nonce' | 'settings'> {
  const nonceAt = 12 + SESSION_ID_BYTES;
  return {
    lane: readU32(bytes, 8),
    session: bytes.slice(12, nonceAt),
    nonce: bytes.slice(nonceAt, nonceAt + NONCE_BYTES),
    settings: decodeSettings(bytes.subarray(FIXED_BYTES, -MAC_BYTES)),
  };
}

function encodeSettings(settings: Settings): Uint8Array {
  const values: [number, number][] = [
    [SettingType.SESSION_WINDOW, settings.sessionWindow],
    [SettingType.INITIAL_WINDOW, settings.initialWindow],
    [SettingType.MAX_CHANNELS, settings.maxChannels],
    [SettingType.RESUME, settings.resume],
  ];
  const bytes = new Uint8Array(values.length * 8);
  values.forEach(([type, value], index) => {
    bytes[index * 8] = type;
    bytes[index * 8 + 1] = 6;
    writeU48(bytes, index * 8 + 2, value);
  });
  return bytes;
}

function decodeSettings(bytes: Uint8Array): Settings {
  const values = new Map<number, number>();
  for (let at = 0; at < bytes.length; ) {
    const type = bytes[at]!;
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) {
      throw new HandshakeError('settings are cut short');
    }
    if (length === 6) values.set(type, readU48(bytes, at + 2));
    at += 2 + length;
  }
  return {
    sessionWindow: values.get(SettingType.SESSION_WINDOW) ?? 0,
    initialWindow: values.get(SettingType.INITIAL_WINDOW) ?? 0,
    maxChannels: values.get(SettingType.MAX_CHANNELS) ?? 0,
    resume: values.get(SettingType.RESUME) ?? 0,
  };
}

function isStatus(value: number): value is ReplyStatus {
  return Object.values<number>(ReplyStatus).includes(value);
}

function measured(part: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  writeU32(length, 0, part.length);
  return join(length, part);
}

function join(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
