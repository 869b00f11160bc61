import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Chunk } from '../../src/core/chunk.ts';
import { ProtocolViolation } from '../../src/core/errors.ts';
import { FrameDecoder } from '../../src/protocol/decoder.ts';
import {
  DATA_HEADER_BYTES,
  encodeFrame,
  encodeLaneAck,
  encodeOpen,
  encodeOpenOk,
  encodePing,
  encodeReason,
  encodeReset,
  encodeSessionWindow,
  encodeWindow,
  FrameType,
  writeDataHeader,
  writeHeader,
} from '../../src/protocol/frame.ts';
import { hex, type Told } from './naive-decoder.ts';

export const u16 = fc.integer({ min: 0, max: 0xffff });
export const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
export const u48 = fc.oneof(fc.maxSafeNat(), fc.nat()).map((value) => value % 2 ** 48);

/** Any legal frame, as the encoders make it. */
export const anyFrame: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 40, size: 'max' }).map((body) => encodeFrame(FrameType.PAD, 0, body)),
  fc
    .tuple(
      fc.constantFrom(FrameType.PING, FrameType.PONG),
      fc.uint8Array({ minLength: 8, maxLength: 8, size: 'max' }),
    )
    .map(([type, cookie]) => encodePing(type, cookie)),
  fc.tuple(u32, u48, fc.integer({ min: 0, max: 7_000 })).map((given) => encodeLaneAck(...given)),
  fc.tuple(u32, u48, u48).map((given) => encodeWindow(...given)),
  u48.map(encodeSessionWindow),
  fc
    .tuple(u32, u32, fc.uint8Array({ maxLength: 60, size: 'max' }))
    .map((given) => encodeOpen(...given)),
  fc.tuple(u32, u48).map((given) => encodeOpenOk(...given)),
  fc
    .tuple(
      fc.constantFrom(
        FrameType.OPEN_FAIL,
        FrameType.STOP,
        FrameType.GOAWAY,
        FrameType.SESSION_CLOSE,
        FrameType.LANE_CLOSE,
      ),
      u32,
      u16,
    )
    .map((given) => encodeReason(...given)),
  fc.tuple(u32, u16, u48).map((given) => encodeReset(...given)),
  fc
    .tuple(u32, u48, fc.uint8Array({ maxLength: 60, size: 'max' }), fc.boolean())
    .map(([id, offset, payload, fin]) => dataFrame(id, offset, payload, fin)),
  fc
    .tuple(fc.integer({ min: 0x80, max: 0xff }), u32, fc.uint8Array({ maxLength: 60, size: 'max' }))
    .map(([type, id, body]) => rawFrame(type, id, body)),
);

export function dataFrame(
  id: number,
  offset: number,
  payload: Uint8Array,
  fin = false,
): Uint8Array {
  const frame = new Uint8Array(DATA_HEADER_BYTES + payload.length);
  writeDataHeader(frame, 0, id, offset, payload.length, fin);
  frame.set(payload, DATA_HEADER_BYTES);
  return frame;
}

/** A frame of any type; `length` may lie about the body. */
export function rawFrame(
  type: number,
  id: number,
  body: Uint8Array,
  length = body.length,
): Uint8Array {
  const frame = new Uint8Array(8 + body.length);
  writeHeader(frame, 0, type, length, id);
  frame.set(body, 8);
  return frame;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The bytes in pieces that end at the given places. */
export function split(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort(
    (a, b) => a - b,
  );
  const edges = [0, ...cuts, bytes.length];
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
}

/** What a decoder makes of the pieces, in the words of the naive one. */
export function decode(
  pieces: readonly Uint8Array[],
  chunkOf = (piece: Uint8Array) => new Chunk(piece),
): Told[] {
  const told: Told[] = [];
  const decoder = new FrameDecoder({
    onFrame: ({ type, id, body }) => told.push({ kind: 'frame', type, id, body: hex(body) }),
    onDataHeader(channel, offset, length, fin) {
      told.push({ kind: 'data', channel, offset, length, fin, payload: '' });
    },
    onDataPiece(channel, offset, chunk) {
      const data = told.at(-1);
      assert.ok(data?.kind === 'data' && data.channel === channel, 'a piece follows its header');
      assert.ok(chunk.length > 0, 'no piece is empty');
      assert.equal(offset, data.offset + data.payload.length / 2, 'pieces are contiguous');
      data.payload += hex(chunk.bytes);
      chunk.release();
    },
  });
  for (const piece of pieces) {
    try {
      decoder.push(chunkOf(piece));
    } catch (error) {
      assert.ok(error instanceof ProtocolViolation);
      told.push({ kind: 'error', reason: error.reason });
      break;
    }
  }
  return told;
}
