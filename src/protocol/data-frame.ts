import { shortLived } from '../core/bytes.ts';
import { Chunk } from '../core/chunk.ts';
import { DATA_HEADER_BYTES, writeDataHeader } from './frame.ts';
import type { Lane } from './lane.ts';
import type { Segment } from './segment.ts';

/** Payloads up to this leave with the turn's other small frames, in one copy if there are several. */
const SMALL_PAYLOAD = 2 * 1024;

/**
 * Puts the segment on the lane as a DATA frame, for the first time or again.
 *
 *     small payload       header | payload    with the turn's other small frames
 *     room in front       header | payload    one piece of memory
 *     none, or not free   header, payload     two pieces that leave together
 */
export function sendData(segment: Segment, lane: Lane, now: number): void {
  const { length, chunk } = segment;
  lane.track(segment, DATA_HEADER_BYTES + length, now);
  const isFirst = segment.sends === 0;
  segment.sends += 1;
  const room = isFirst && chunk !== null ? chunk.headroom : 0;
  if (chunk === null || length <= SMALL_PAYLOAD) {
    lane.post(smallFrame(segment, chunk, room));
    return;
  }
  lane.flush(true);
  if (room >= DATA_HEADER_BYTES) {
    const frame = chunk.withRoom(DATA_HEADER_BYTES);
    writeHeader(frame.bytes, segment);
    lane.port.send(frame);
  } else {
    // The memory in front is another frame's, which may be on its way still: nobody writes there.
    const header = shortLived(DATA_HEADER_BYTES);
    writeHeader(header, segment);
    lane.port.send(new Chunk(header), true);
    lane.port.send(chunk.share());
  }
}

function smallFrame(segment: Segment, chunk: Chunk | null, room: number): Uint8Array {
  // What is not pooled stays as it is for as long as anybody looks at it.
  if (chunk !== null && room >= DATA_HEADER_BYTES && !chunk.isPooled) {
    const { bytes } = chunk.withRoom(DATA_HEADER_BYTES);
    writeHeader(bytes, segment);
    return bytes;
  }
  const frame = shortLived(DATA_HEADER_BYTES + segment.length);
  writeHeader(frame, segment);
  if (chunk !== null) frame.set(chunk.bytes, DATA_HEADER_BYTES);
  return frame;
}

function writeHeader(into: Uint8Array, { channel, offset, length, fin }: Segment): void {
  writeDataHeader(into, 0, channel.id, offset, length, fin);
}
