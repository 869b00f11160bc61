import { shortLived } from '../core/bytes.ts';
import { Chunk } from '../core/chunk.ts';
import { ProtocolViolation } from '../core/errors.ts';
import { ZERO } from '../core/zero.ts';
import { Deque } from '../data/deque.ts';
import type { RateSample } from './delivery-rate.ts';
import { encodeLaneAck } from './frame.ts';
import { Path } from './path.ts';
import type { Item, Segment } from './segment.ts';

/** Where a session puts the bytes of one lane: a pipe, seen from the pure side. */
export interface LanePort {
  /** False while the lane's own buffers are full. The session then offers it nothing new. */
  readonly writable: boolean;
  /**
   * Takes over the chunk, whatever `writable` says; the session passes it by at most one turn's frames.
   * `more`: another chunk follows at once, so this one may wait to leave with it.
   */
  send(chunk: Chunk, more?: boolean): void;
}

/** `good` lanes get new data; see recovery.ts for the others. */
export type Health = 'good' | 'suspect' | 'stalled';

/** An item in flight. */
export interface Flight {
  readonly item: Item;
  /** The count of lane bytes at its end: what an acknowledgement must reach. */
  readonly end: number;
  readonly sentAt: number;
  /** When it should be acknowledged, by what was known of the route when it was sent. */
  readonly dueAt: number;
  /** Bytes of the lane that were acknowledged when it was sent. */
  readonly ackedBytes: number;
  /** When the last of them were, and when they had been sent; its own time if nothing was in flight. */
  readonly ackedAt: number;
  readonly ackedSentAt: number;
}

/**
 * An acknowledgement goes out after so many bytes at once, or after a frame's worth where frames are
 * longer; after so many, so long after the last one; and in any case so long after the first byte. Bytes
 * and ms.
 */
const ACK_BYTES_AT_ONCE = 128 * 1024;
const ACK_BYTES = 32 * 1024;
const ACK_SPACING = 1;
export const ACK_DELAY = 5;
/** How late an acknowledgement may be before it counts as late: its delay, and as much for the two loops. */
const ACK_SLACK = 2 * ACK_DELAY;

/**
 * One of the parallel TCP connections of a session, both directions.
 *
 * TCP keeps a lane in order and whole, so one counter of received bytes acknowledges everything
 * that it carries; what was sent waits in one queue until the counter passes it.
 */
export class Lane {
  readonly id: number;
  readonly port: LanePort;
  readonly path = new Path();
  health: Health = 'good';
  /** No new frames, from either end's wish; it ends when all is acknowledged. */
  isDraining = false;
  /** Bytes that bulk may have in flight, below the cap; see express.ts. */
  bulkLimit = Number.POSITIVE_INFINITY;
  /** Bulk is held below what the route carries, so what is delivered does not tell the rate. */
  isPaced = false;

  // The direction out.
  sentBytes = ZERO;
  ackedBytes = ZERO;
  /** When the peer last showed progress on what is in flight, or was excused from it. */
  progressAt: number;
  /** When the last acknowledgement came: what this lane can witness for others. */
  ackedAt = Number.NEGATIVE_INFINITY;
  /** When it was last pinged because it was silent. */
  probedAt = Number.NEGATIVE_INFINITY;
  #excusedAt = Number.NEGATIVE_INFINITY;
  /** When the last acknowledged flight was acknowledged, and sent; both begin anew after an idle time. */
  #deliveredAt = ZERO;
  #deliveredSentAt = ZERO;
  readonly #flights = new Deque<Flight>();
  // Looked at for each frame; written here alone.
  /** Bytes sent and not acknowledged. */
  inFlight = ZERO;
  /** Small frames wait to be written together. */
  hasOutbox = false;
  /** When the oldest flight should be acknowledged, by what was known when it was sent; infinite without one. */
  #headDueAt = Number.POSITIVE_INFINITY;
  /** Frames of this turn, to be written together: the first, which mostly is the only one, and the others. */
  #first: Uint8Array = nothing;
  #others: Uint8Array[] = [];
  #outboxBytes = 0;

  // The direction in.
  receivedBytes = ZERO;
  lastReceivedAt: number;
  /** Payload of the last DATA frame that began. */
  lastPayloadBytes = 0;
  /** When something other than a question or an answer last arrived, and when the lane was last asked after it. */
  lastDataAt = Number.NEGATIVE_INFINITY;
  askedAt = Number.NEGATIVE_INFINITY;
  /** When a frame last arrived to its end: since when an acknowledgement is held back. */
  frameEndedAt: number;
  #reportedBytes = ZERO;
  #reportedAt = ZERO;
  /** The peer waits for an acknowledgement; written here alone. */
  owesAck = false;
  /** When it must leave. */
  #ackDueAt = ZERO;

  constructor(id: number, port: LanePort, now: number) {
    this.id = id;
    this.port = port;
    this.lastReceivedAt = now;
    this.frameEndedAt = now;
    this.progressAt = now;
  }

  get head(): Flight | undefined {
    return this.#flights.first;
  }

  get flights(): Iterable<Flight> {
    return this.#flights;
  }

  /** How long the oldest thing in flight has seen no progress, ms, up to `now`. */
  silence(now: number): number {
    const head = this.#flights.first;
    return head === undefined ? 0 : now - Math.max(this.progressAt, head.sentAt);
  }

  get hasFlights(): boolean {
    return this.#flights.length > 0;
  }

  /**
   * How much later than expected the oldest acknowledgement is, ms. Trickling ones do not hide it,
   * for what is expected was fixed when it was sent.
   */
  late(now: number): number {
    const dueAt = Math.max(this.#headDueAt, this.#excusedAt + this.path.minRtt + ACK_SLACK);
    return now > dueAt ? now - dueAt : 0;
  }

  /** So late, at that time, that no habit of its route explains it. */
  isOverdue(now: number): boolean {
    return this.late(now) > this.path.tolerance;
  }

  /** When `bytes` more would arrive if sent now: ms from now. */
  eta(bytes: number, now: number): number {
    return this.late(now) + this.path.arrival(this.inFlight, bytes);
  }

  /** Remembers what the peer must acknowledge. Called before the bytes are written. */
  track(item: Item, frameBytes: number, now: number): void {
    this.sentBytes += frameBytes;
    const wasIdle = this.#flights.length === 0;
    if (wasIdle) this.progressAt = now;
    const end = this.sentBytes;
    this.inFlight = end - this.ackedBytes;
    const dueAt = now + this.path.expectedRtt(this.inFlight) + ACK_SLACK;
    if (wasIdle) {
      this.#headDueAt = dueAt;
      this.#deliveredAt = now;
      this.#deliveredSentAt = now;
    }
    const flight = {
      item,
      end,
      sentAt: now,
      dueAt,
      ackedBytes: this.ackedBytes,
      ackedAt: this.#deliveredAt,
      ackedSentAt: this.#deliveredSentAt,
    };
    this.#flights.push(flight);
    item.carriers += 1;
    if (item.kind !== 'data') return;
    item.lane = this;
    item.flight = flight;
  }

  /** When the segment, which this lane took last, should arrive: ms from now. */
  remaining(segment: Segment, now: number): number {
    const dueAt = segment.flight === null ? now : this.#dueAt(segment.flight);
    return this.late(now) + Math.max(0, dueAt - this.path.minRtt / 2 - now);
  }

  #dueAt(flight: Flight): number {
    return Math.max(flight.dueAt, this.#excusedAt + this.path.minRtt + ACK_SLACK);
  }

  /** `time` ms of silence were not this lane's fault. */
  excuse(time: number, now: number): void {
    this.progressAt = Math.min(now, this.progressAt + time);
    this.#excusedAt = now;
    this.path.excuse(time, now);
  }

  /** Queues a small frame to leave with this turn's others. */
  post(frame: Uint8Array): void {
    if (this.hasOutbox) this.#others.push(frame);
    else this.#first = frame;
    this.#outboxBytes += frame.length;
    this.hasOutbox = true;
  }

  /** As `post`, for frames that nobody waits for: acknowledgements and pongs. */
  postUntracked(frame: Uint8Array): void {
    this.sentBytes += frame.length;
    this.post(frame);
  }

  /** Writes what was posted, as one piece. `more`: something else follows at once. */
  flush(more = false): void {
    if (!this.hasOutbox) return;
    this.hasOutbox = false;
    let bytes = this.#first;
    if (this.#others.length > 0) {
      bytes = concatenate([bytes, ...this.#others], this.#outboxBytes);
      this.#others = [];
    }
    this.#first = nothing;
    this.#outboxBytes = 0;
    this.port.send(new Chunk(bytes), more);
  }

  /**
   * The peer has received `received` bytes of this lane.
   * @returns the bytes that are newly acknowledged
   * @throws {ProtocolViolation} if they were never sent
   */
  onAck(received: number, delay: number, now: number, onItem: (item: Item) => void): number {
    if (received > this.sentBytes) {
      throw new ProtocolViolation('BAD_ACK', `lane ${this.id}, ${received} of ${this.sentBytes}`);
    }
    if (received <= this.ackedBytes) return 0;
    const bytes = received - this.ackedBytes;
    this.ackedBytes = received;
    let ended: Flight | null = null;
    let waitingSince = now;
    for (;;) {
      const flight = this.#flights.first;
      if (flight === undefined || flight.end > received) break;
      this.#flights.shift();
      flight.item.carriers -= 1;
      if (ended === null) waitingSince = flight.sentAt;
      ended = flight;
      onItem(flight.item);
    }
    const last = this.#flights.last;
    this.inFlight = last === undefined ? 0 : last.end - received;
    this.#headDueAt = this.#flights.first?.dueAt ?? Number.POSITIVE_INFINITY;
    this.progressAt = now;
    this.ackedAt = now;
    // Karn's rule: what a common pause held up says nothing of the route.
    const sentAt = ended !== null && ended.sentAt >= this.#excusedAt ? ended.sentAt : null;
    const sample = ended === null ? null : this.#sample(ended, now);
    const isOverdue = this.isOverdue(now);
    this.path.onAck(now, { bytes, sentAt, sample, waitingSince, delay, isOverdue });
    return bytes;
  }

  /**
   * What was delivered from the sending of a flight to its acknowledgement, over the longer of the
   * times in which that was sent and acknowledged: a burst behind a hole counts with the hole
   * (draft-cheng-iccrg-delivery-rate-estimation).
   */
  #sample(flight: Flight, now: number): RateSample {
    const sendElapsed = flight.sentAt - flight.ackedSentAt;
    const elapsed = Math.max(sendElapsed, now - flight.ackedAt);
    this.#deliveredAt = now;
    this.#deliveredSentAt = flight.sentAt;
    return { bytes: this.ackedBytes - flight.ackedBytes, elapsed };
  }

  /** Empties the queue of a lane that is lost. */
  takeFlights(): Item[] {
    const items = Array.from(this.#flights, (flight) => flight.item);
    for (const item of items) item.carriers -= 1;
    this.#flights.clear();
    this.inFlight = 0;
    this.#headDueAt = Number.POSITIVE_INFINITY;
    return items;
  }

  onReceived(bytes: number, now: number): void {
    this.receivedBytes += bytes;
    this.lastReceivedAt = now;
  }

  /** A frame that its sender waits for has arrived, or a piece of it. */
  oweAck(now: number): void {
    if (this.owesAck) return;
    this.owesAck = true;
    this.#ackDueAt = now + ACK_DELAY;
  }

  /** When the acknowledgement must leave, ms; null when none is owed. */
  get ackDueAt(): number | null {
    if (!this.owesAck) return null;
    const unreported = this.receivedBytes - this.#reportedBytes;
    if (unreported < ACK_BYTES) return this.#ackDueAt;
    const isMuch = unreported >= ACK_BYTES_AT_ONCE && unreported >= this.lastPayloadBytes;
    const spacing = isMuch ? 0 : ACK_SPACING;
    return Math.min(this.#ackDueAt, this.#reportedAt + spacing);
  }

  isAckDue(now: number): boolean {
    const dueAt = this.ackDueAt;
    return dueAt !== null && now >= dueAt;
  }

  /** The acknowledgement frame; nothing is owed after it. */
  takeAck(now: number): Uint8Array {
    this.owesAck = false;
    this.#reportedBytes = this.receivedBytes;
    this.#reportedAt = now;
    return encodeLaneAck(this.id, this.receivedBytes, now - this.frameEndedAt);
  }
}

function concatenate(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = shortLived(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

const nothing = new Uint8Array(0);
