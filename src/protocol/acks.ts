import { HEADER_BYTES } from './frame.ts';
import type { Lane } from './lane.ts';
import { bestLane, isOpen } from './scheduler.ts';

/** An acknowledgement takes a faster lane when its own has this much queued, ms. */
const ACK_QUEUE = 20;

/** Sends the acknowledgements that are due, and those for whose lane something leaves anyhow. */
export function sendAcks(lanes: readonly Lane[], now: number): void {
  for (const lane of lanes) {
    if (!lane.owesAck) continue;
    if (!lane.isAckDue(now) && !(lane.hasOutbox && isOpen(lane))) continue;
    const carrier = carrierOf(lane, lanes, now);
    if (carrier === null) return;
    carrier.postUntracked(lane.takeAck(now));
  }
}

/**
 * Says again, on this lane, what has been received on each: what follows on it must not overtake an
 * acknowledgement that another lane carries.
 */
export function repeatAcks(lanes: readonly Lane[], carrier: Lane, now: number): void {
  for (const lane of lanes) carrier.postUntracked(lane.takeAck(now));
}

function carrierOf(lane: Lane, lanes: readonly Lane[], now: number): Lane | null {
  const queued = lane.path.arrival(lane.inFlight, 0) - lane.path.minRtt / 2;
  if (lane.health === 'good' && lane.port.writable && queued < ACK_QUEUE) return lane;
  return bestLane(lanes, HEADER_BYTES, now) ?? (lane.port.writable ? lane : null);
}
