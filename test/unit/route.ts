import type { Path } from '../../src/protocol/path.ts';

/** A route of fixed rate and delay whose sender always has more: what a path makes of its acknowledgements. */
export function drive(
  path: Path,
  route: { rate: number; rtt: number },
  from: number,
  time: number,
): number {
  const { rate, rtt } = route;
  const flights: {
    sentAt: number;
    bytes: number;
    ackAt: number;
    acked: number;
    ackedAt: number;
  }[] = [];
  let inFlight = 0;
  let freeAt = from;
  let acked = 0;
  let ackedAt = from;
  let now = from;
  for (; now < from + time; now += 1) {
    while (flights.length > 0 && flights[0]!.ackAt <= now) {
      const flight = flights.shift()!;
      inFlight -= flight.bytes;
      acked += flight.bytes;
      ackedAt = now;
      path.onAck(now, {
        bytes: flight.bytes,
        sentAt: flight.sentAt,
        sample: { bytes: acked - flight.acked, elapsed: now - flight.ackedAt },
        waitingSince: flight.sentAt,
        delay: 0,
        isOverdue: false,
      });
    }
    while (inFlight + path.chunk <= path.cap) {
      const bytes = path.chunk;
      freeAt = Math.max(now, freeAt) + bytes / rate;
      inFlight += bytes;
      flights.push({ sentAt: now, bytes, ackAt: freeAt + rtt, acked, ackedAt });
    }
    path.setFull(true, now);
  }
  path.setFull(false, now);
  return acked / time;
}
