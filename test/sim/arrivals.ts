import {
  DATA_HEADER_BYTES,
  FrameType,
  HEADER_BYTES,
  readU24,
  readU32,
  readU48,
} from '../../src/protocol/frame.ts';

/** One of the frames that were written together. */
export interface SmallFrame {
  readonly type: number;
  readonly id: number;
  /** As much of it as is there. */
  readonly body: Uint8Array;
}

/** The last one may be cut off. */
export function* framesOf(bytes: Uint8Array): Generator<SmallFrame> {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const end = at + HEADER_BYTES + readU24(bytes, at + 1);
    const body = bytes.subarray(at + HEADER_BYTES, end);
    yield { type: bytes[at]!, id: readU32(bytes, at + 4), body };
    at = end;
  }
}

/** What one end has received of each channel: an assembler's naive twin, for its state to be seen. */
export class Arrivals {
  /** By channel and offset: the offset at which the piece begins that brought the byte first. */
  readonly #channels = new Map<number, Map<number, number>>();

  note(bytes: Uint8Array): void {
    for (const { type, id, body } of framesOf(bytes)) {
      if (type !== FrameType.DATA || body.length < OFFSET_BYTES) continue;
      const start = readU48(body, 0);
      const end = start + body.length - (DATA_HEADER_BYTES - HEADER_BYTES);
      this.#add(id, start, end);
    }
  }

  /** What may be held from `next` on, as a text. */
  after(id: number, next: number): string {
    const pieces = [...(this.#channels.get(id) ?? [])].filter(([at]) => at >= next);
    return pieces
      .sort(([a], [b]) => a - b)
      .map(([at, from]) => `${at}/${from}`)
      .join(' ');
  }

  #add(id: number, start: number, end: number): void {
    const bytes = this.#channels.get(id) ?? new Map<number, number>();
    this.#channels.set(id, bytes);
    let piece: number | null = null;
    for (let at = start; at < end; at += 1) {
      if (bytes.has(at)) piece = null;
      else {
        piece ??= at;
        bytes.set(at, piece);
      }
    }
  }
}

const OFFSET_BYTES = DATA_HEADER_BYTES - HEADER_BYTES;
