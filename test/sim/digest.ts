import { FrameType, HEADER_BYTES, readU24, readU32, readU48 } from '../../src/protocol/frame.ts';
import type { Lane } from '../../src/protocol/lane.ts';
import type { Item } from '../../src/protocol/segment.ts';
import type { Session } from '../../src/protocol/session.ts';
import type { SmallWorld } from './small-world.ts';

/**
 * All that decides what can still happen, as a text. Counters of lane bytes are taken relative to what
 * is acknowledged, so that histories which differ in their number of acknowledgements alone are one.
 */
export function digest(world: SmallWorld): string {
  const { entry, exit, lanes, deathsLeft, resumesLeft } = world;
  const parts = [`${deathsLeft} ${resumesLeft}`, ofSession(entry), ofSession(exit)];
  for (const { id, queues, ends } of lanes) {
    parts.push(
      `lane ${id}`,
      queues.entry.map((bytes) => ofFrames(bytes, ends.exit)).join(';'),
      queues.exit.map((bytes) => ofFrames(bytes, ends.entry)).join(';'),
    );
  }
  return parts.join('\n');
}

function ofSession(session: Session): string {
  const { transmitter, delivery } = session;
  const parts = [`${transmitter.queuedControls} ${transmitter.sessionLimit} ${delivery.announced}`];
  for (const channel of session.channels) {
    const { id, openLane, send, receive, isActive, owesFinAcked } = channel;
    const { window } = receive;
    const segments = send
      .oldest(Number.POSITIVE_INFINITY)
      .map((segment) => `${segment.offset}+${segment.carriers}${segment.isQueued ? 'q' : ''}`);
    parts.push(
      `${id} ${openLane === 'any' ? 'any' : (openLane?.id ?? null)} ${isActive} ${owesFinAcked}`,
      `${send.state} ${send.next} ${send.limit} ${send.queuedBytes} ${segments}`,
      `${receive.state} ${receive.next} ${receive.heldBytes} ${receive.highest}`,
      `${receive.finalOffset} ${window.limit} ${window.consumed} ${window.size}`,
    );
  }
  for (const lane of session.lanes) {
    const flights = [...lane.flights].map(
      ({ item, end }) => `${ofItem(item)}@${end - lane.ackedBytes}`,
    );
    parts.push(`${lane.id} ${lane.ackDueAt !== null} ${flights}`);
  }
  return parts.join('|');
}

function ofItem(item: Item): string {
  const acked = item.isAcked ? 'a' : '';
  if (item.kind === 'data') return `${item.channel.id}:${item.offset}${acked}`;
  return `${item.role} ${item.channel?.id} ${item.frame[0]} ${item.frame.subarray(HEADER_BYTES)}${acked}`;
}

/** What was written at a time, its receiver being that end of the lane. */
function ofFrames(bytes: Uint8Array, receiver: Lane): string {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const type = bytes[at]!;
    const length = readU24(bytes, at + 1);
    const id = readU32(bytes, at + 4);
    const body = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    const isOwnAck = type === FrameType.LANE_ACK && id === receiver.id;
    frames.push(`${type} ${id} ${isOwnAck ? readU48(body, 0) - receiver.ackedBytes : body}`);
    at += HEADER_BYTES + length;
  }
  return frames.join(',');
}
