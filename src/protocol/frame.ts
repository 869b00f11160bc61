import { shortLived } from '../core/bytes.ts';
/**
 * The wire. All numbers are big-endian; docs/PROTOCOL.md is the same in prose.
 *
 *      0        1                 4                8
 *     +--------+--------+--------+--------+--------+---- ... ----+
 *     | type   |     length      |        id       |    body     |   length = bytes of body
 *     +--------+--------+--------+--------+--------+---- ... ----+
 *
 *     DATA body:   offset u48 | flags u16 | payload
 *
 * `id` is a channel, a lane or 0, by type.
 */
export const FrameType = {
  PAD: 0x00,
  PING: 0x01,
  PONG: 0x02,
  LANE_ACK: 0x03,
  LANE_CLOSE: 0x04,
  SESSION_WINDOW: 0x05,
  GOAWAY: 0x06,
  SESSION_CLOSE: 0x07,
  OPEN: 0x10,
  OPEN_OK: 0x11,
  OPEN_FAIL: 0x12,
  DATA: 0x13,
  WINDOW: 0x14,
  RESET: 0x15,
  STOP: 0x16,
} as const;

export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Types from here on are extensions: a receiver that does not know one skips it. */
export const FIRST_EXTENSION = 0x80;

/** DATA flag: this direction ends with the last byte of the frame. */
export const FLAG_FIN = 0x0001;

export const HEADER_BYTES = 8;
/** Of a DATA frame, up to its payload. */
export const DATA_HEADER_BYTES = 16;
/** The largest payload of a DATA frame. */
export const MAX_PAYLOAD_BYTES = 1024 * 1024;
/** The largest body of any other frame. */
export const MAX_CONTROL_BYTES = 1024;
/** The body of a LANE_ACK. */
const LANE_ACK_BYTES = 8;

/** A frame other than DATA, as its receiver sees it. */
export interface ControlFrame {
  readonly type: number;
  readonly id: number;
  readonly body: Uint8Array;
}

export function writeU16(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 8;
  into[at + 1] = value;
}

export function writeU24(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 16;
  into[at + 1] = value >>> 8;
  into[at + 2] = value;
}

export function writeU32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

export function writeU48(into: Uint8Array, at: number, value: number): void {
  writeU16(into, at, Math.floor(value / 0x1_0000_0000));
  writeU32(into, at + 2, value % 0x1_0000_0000);
}

export function readU16(from: Uint8Array, at: number): number {
  return (from[at]! << 8) | from[at + 1]!;
}

export function readU24(from: Uint8Array, at: number): number {
  return (from[at]! << 16) | (from[at + 1]! << 8) | from[at + 2]!;
}

export function readU32(from: Uint8Array, at: number): number {
  return from[at]! * 0x100_0000 + readU24(from, at + 1);
}

export function readU48(from: Uint8Array, at: number): number {
  return readU16(from, at) * 0x1_0000_0000 + readU32(from, at + 2);
}

export function writeHeader(
  into: Uint8Array,
  at: number,
  type: number,
  length: number,
  id: number,
): void {
  into[at] = type;
  writeU24(into, at + 1, length);
  writeU32(into, at + 4, id);
}

/** The 16 bytes in front of a payload of `length` bytes. */
export function writeDataHeader(
  into: Uint8Array,
  at: number,
  id: number,
  offset: number,
  length: number,
  fin: boolean,
): void {
  writeHeader(into, at, FrameType.DATA, DATA_HEADER_BYTES - HEADER_BYTES + length, id);
  writeU48(into, at + 8, offset);
  writeU16(into, at + 14, fin ? FLAG_FIN : 0);
}

/** A whole frame with the given body. */
export function encodeFrame(type: FrameType, id: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + body.length);
  writeHeader(frame, 0, type, body.length, id);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** `received`: bytes of the lane that have arrived. `delay`: ms since the last whole frame arrived. */
export function encodeLaneAck(lane: number, received: number, delay: number): Uint8Array {
  const frame = shortLived(HEADER_BYTES + LANE_ACK_BYTES);
  writeHeader(frame, 0, FrameType.LANE_ACK, LANE_ACK_BYTES, lane);
  writeU48(frame, HEADER_BYTES, received);
  writeU16(frame, HEADER_BYTES + 6, Math.min(0xffff, Math.round(delay * 10)));
  return frame;
}

/** `limit`: the offset that the sender must not pass. `next`: all bytes below it have arrived. */
export function encodeWindow(channel: number, limit: number, next: number): Uint8Array {
  const body = new Uint8Array(12);
  writeU48(body, 0, limit);
  writeU48(body, 6, next);
  return encodeFrame(FrameType.WINDOW, channel, body);
}

/** `limit`: the sum, over all channels, of the highest offsets that the peer may send. */
export function encodeSessionWindow(limit: number): Uint8Array {
  const body = new Uint8Array(6);
  writeU48(body, 0, limit);
  return encodeFrame(FrameType.SESSION_WINDOW, 0, body);
}

/** `window`: bytes that the exit may send before it hears more. `target`: UTF-8, empty for the exit's own. */
export function encodeOpen(channel: number, window: number, target: Uint8Array): Uint8Array {
  const body = new Uint8Array(4 + target.length);
  writeU32(body, 0, window);
  body.set(target, 4);
  return encodeFrame(FrameType.OPEN, channel, body);
}

/** `limit`: the offset up to which the entry may send. */
export function encodeOpenOk(channel: number, limit: number): Uint8Array {
  const body = new Uint8Array(6);
  writeU48(body, 0, limit);
  return encodeFrame(FrameType.OPEN_OK, channel, body);
}

/** OPEN_FAIL, STOP, GOAWAY, SESSION_CLOSE, LANE_CLOSE: a reason by number. */
export function encodeReason(type: FrameType, id: number, code: number): Uint8Array {
  const body = new Uint8Array(2);
  writeU16(body, 0, code);
  return encodeFrame(type, id, body);
}

/** `finalOffset`: where the sender's direction ends; bytes below it may never arrive. */
export function encodeReset(channel: number, code: number, finalOffset: number): Uint8Array {
  const body = new Uint8Array(8);
  writeU16(body, 0, code);
  writeU48(body, 2, finalOffset);
  return encodeFrame(FrameType.RESET, channel, body);
}

/** PING and PONG carry eight bytes that the pong repeats. */
export function encodePing(
  type: typeof FrameType.PING | typeof FrameType.PONG,
  cookie: Uint8Array,
): Uint8Array {
  return encodeFrame(type, 0, cookie);
}
