import type { Chunk } from '../core/chunk.ts';
import { ProtocolViolation } from '../core/errors.ts';
import { ZERO } from '../core/zero.ts';
import {
  type ControlFrame,
  DATA_HEADER_BYTES,
  FIRST_EXTENSION,
  FLAG_FIN,
  FrameType,
  HEADER_BYTES,
  MAX_CONTROL_BYTES,
  MAX_PAYLOAD_BYTES,
  readU16,
  readU24,
  readU32,
  readU48,
} from './frame.ts';

export interface FrameSink {
  onFrame(frame: ControlFrame): void;
  /**
   * A DATA frame begins; called before any byte of it is kept, so that a frame which passes its
   * window is refused at its header.
   */
  onDataHeader(channel: number, offset: number, length: number, fin: boolean): void;
  /** A piece of its payload, `chunk` now being the sink's; none comes for an empty frame. */
  onDataPiece(channel: number, offset: number, chunk: Chunk): void;
}

/** Body lengths that are legal, by type; types that are absent are unknown. */
const bodyLength = new Map<number, { min: number; max: number }>([
  [FrameType.PAD, { min: 0, max: MAX_CONTROL_BYTES }],
  [FrameType.PING, { min: 8, max: 8 }],
  [FrameType.PONG, { min: 8, max: 8 }],
  [FrameType.LANE_ACK, { min: 8, max: 8 }],
  [FrameType.LANE_CLOSE, { min: 2, max: 2 }],
  [FrameType.SESSION_WINDOW, { min: 6, max: 6 }],
  [FrameType.GOAWAY, { min: 2, max: 2 }],
  [FrameType.SESSION_CLOSE, { min: 2, max: 2 }],
  [FrameType.OPEN, { min: 4, max: 4 + 512 }],
  [FrameType.OPEN_OK, { min: 6, max: 6 }],
  [FrameType.OPEN_FAIL, { min: 2, max: 2 }],
  [
    FrameType.DATA,
    {
      min: DATA_HEADER_BYTES - HEADER_BYTES,
      max: DATA_HEADER_BYTES - HEADER_BYTES + MAX_PAYLOAD_BYTES,
    },
  ],
  [FrameType.WINDOW, { min: 12, max: 12 }],
  [FrameType.RESET, { min: 8, max: 8 }],
  [FrameType.STOP, { min: 2, max: 2 }],
]);

/**
 * Turns the bytes of one lane into frames, whatever their split. Payload is passed on as it arrives
 * and never waits for the rest of its frame; other frames are collected in a buffer of fixed size.
 *
 * Invariant: a length is checked before a byte of its body is kept.
 */
export class FrameDecoder {
  readonly #sink: FrameSink;
  /** The header, and the body of a frame other than DATA, when they come in pieces. */
  readonly #scratch = new Uint8Array(HEADER_BYTES + MAX_CONTROL_BYTES);
  #scratchLength = 0;
  /** Payload of the current DATA frame, or body of a skipped one, still to come. */
  #remaining = 0;
  #skipping = false;
  #channel = 0;
  #offset = ZERO;
  #frames = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Frames that have arrived to their end. */
  get frames(): number {
    return this.#frames;
  }

  /**
   * Takes over the chunk.
   * @throws {ProtocolViolation} from here or from the sink; the decoder is then of no further use.
   */
  push(chunk: Chunk): void {
    let at = 0;
    try {
      while (at < chunk.length) {
        if (this.#remaining > 0) at = this.#takePayload(chunk, at);
        else if (this.#scratchLength > 0) at = this.#takeSplit(chunk.bytes, at);
        else at = this.#takeFrame(chunk.bytes, at);
      }
    } finally {
      chunk.release();
    }
  }

  #takePayload(chunk: Chunk, at: number): number {
    const end = Math.min(chunk.length, at + this.#remaining);
    this.#remaining -= end - at;
    if (this.#remaining === 0) this.#frames += 1;
    if (!this.#skipping) {
      const offset = this.#offset;
      this.#offset += end - at;
      this.#sink.onDataPiece(this.#channel, offset, chunk.slice(at, end));
    }
    return end;
  }

  /** A frame whose fixed part lies whole in `bytes` is read in place. */
  #takeFrame(bytes: Uint8Array, at: number): number {
    const left = bytes.length - at;
    if (left < HEADER_BYTES) return this.#keep(bytes, at, left);
    const type = bytes[at]!;
    const length = checkedLength(type, readU24(bytes, at + 1));
    if (type >= FIRST_EXTENSION) return this.#skip(length, at + HEADER_BYTES);
    const fixed = type === FrameType.DATA ? DATA_HEADER_BYTES : HEADER_BYTES + length;
    if (left < fixed) return this.#keep(bytes, at, left);
    this.#dispatch(type, length, bytes, at);
    return at + fixed;
  }

  /** Adds to a fixed part that came in pieces. */
  #takeSplit(bytes: Uint8Array, at: number): number {
    const scratch = this.#scratch;
    let need = HEADER_BYTES;
    if (this.#scratchLength >= HEADER_BYTES) need = this.#fixedLength();
    const end = Math.min(bytes.length, at + need - this.#scratchLength);
    this.#keep(bytes, at, end - at);
    if (this.#scratchLength < HEADER_BYTES) return end;
    const type = scratch[0]!;
    const length = checkedLength(type, readU24(scratch, 1));
    if (type >= FIRST_EXTENSION) {
      this.#scratchLength = 0;
      return this.#skip(length, end);
    }
    if (this.#scratchLength === this.#fixedLength()) {
      this.#scratchLength = 0;
      this.#dispatch(type, length, scratch, 0);
    }
    return end;
  }

  #fixedLength(): number {
    return this.#scratch[0] === FrameType.DATA
      ? DATA_HEADER_BYTES
      : HEADER_BYTES + readU24(this.#scratch, 1);
  }

  #keep(bytes: Uint8Array, at: number, count: number): number {
    this.#scratch.set(bytes.subarray(at, at + count), this.#scratchLength);
    this.#scratchLength += count;
    return at + count;
  }

  #skip(length: number, at: number): number {
    this.#remaining = length;
    this.#skipping = true;
    return at;
  }

  #dispatch(type: number, length: number, bytes: Uint8Array, at: number): void {
    const id = readU32(bytes, at + 4);
    if (type !== FrameType.DATA) {
      this.#frames += 1;
      const body = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
      this.#sink.onFrame({ type, id, body });
      return;
    }
    this.#channel = id;
    this.#offset = readU48(bytes, at + 8);
    this.#remaining = length - (DATA_HEADER_BYTES - HEADER_BYTES);
    this.#skipping = false;
    if (this.#remaining === 0) this.#frames += 1;
    const fin = (readU16(bytes, at + 14) & FLAG_FIN) !== 0;
    this.#sink.onDataHeader(id, this.#offset, this.#remaining, fin);
  }
}

function checkedLength(type: number, length: number): number {
  const limits =
    type >= FIRST_EXTENSION ? { min: 0, max: MAX_PAYLOAD_BYTES } : bodyLength.get(type);
  if (limits === undefined) {
    throw new ProtocolViolation('BAD_FRAME', `unknown type 0x${type.toString(16)}`);
  }
  if (length > limits.max) {
    throw new ProtocolViolation('FRAME_TOO_LONG', `type 0x${type.toString(16)}, ${length} bytes`);
  }
  if (length < limits.min) {
    throw new ProtocolViolation('BAD_FRAME', `type 0x${type.toString(16)}, only ${length} bytes`);
  }
  return length;
}
