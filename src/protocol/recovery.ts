import type { Channel } from './channel.ts';
import type { Lane } from './lane.ts';
import type { Segment } from './segment.ts';
import { bestLane, type Transmitter } from './transmitter.ts';

/** A silence shorter than this is no news, ms. */
const SUSPECT_MIN = 150;
const STALLED_MIN = 600;
/** A stalled lane is given up after this; its replacement is dialled. */
const GIVE_UP = 3_000;
/** A lane that comes back after this has lost what it knew of its route. */
const RESTART_AFTER = 700;
/** A lane that nothing has arrived on: asked after the first, given up after the second, ms. */
const KEEPALIVE = 10_000;
const SILENT = 25_000;
/** Copies of what is still under way: this share of acknowledged bytes, with this much in hand. */
const COPY_SHARE = 0.05;
const COPY_BURST = 512 * 1024;
/** Two probes for a witness are this far apart, ms. */
const WITNESS_SPACING = 100;
/** Ranges of a blocked channel that are looked at. */
const HEAD_RANGES = 8;
/** A copy must win by this much, ms. */
const COPY_MARGIN = 10;
const SPARSE_LATE = 20;

export interface RecoveryActions {
  /** The lane is beyond hope: end it and tell the peer. */
  giveUp(lane: Lane): void;
  /** Send something on the lane that the peer acknowledges. */
  ping(lane: Lane, now: number): void;
}

/**
 * Judges lanes by their silence and sends copies of what they hold.
 *
 *                 silent for S                silent for max(600, 2 S)           3 s
 *      good --------------------> suspect ------------------------> stalled ----------> given up
 *        ^   no new data; copies     |        all it holds is           |
 *        |   within the budget       |        copied once               |
 *        +------- acknowledgement ---+----------------------------------+
 *
 * S is learned from the lane's own habit. A silence counts only up to the last acknowledgement on
 * another lane: when all are silent, the peer or this process was paused, or the whole route is
 * down, and copies would help nobody. If the others have nothing in flight, a PING on one of them
 * asks for that witness.
 *
 * TCP under a lane loses nothing, so copies serve time only; the budget bounds their cost.
 */
export class Recovery {
  readonly #transmitter: Transmitter;
  readonly #actions: RecoveryActions;
  #budget = COPY_BURST;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(transmitter: Transmitter, actions: RecoveryActions) {
    this.#transmitter = transmitter;
    this.#actions = actions;
  }

  /** Bytes of copies that may still be sent. */
  get budget(): number {
    return this.#budget;
  }

  /** `bytes` of the lane were acknowledged, after `silence` ms. */
  onAck(lane: Lane, bytes: number, silence: number, now: number): void {
    this.#budget = Math.min(COPY_BURST + lane.path.cap, this.#budget + bytes * COPY_SHARE);
    if (lane.path.isProbing) lane.path.endProbe(now);
    if (lane.health === 'good') return;
    lane.health = 'good';
    if (silence > RESTART_AFTER) lane.path.restart();
  }

  /** The clock jumped by `lag` ms: nobody could have answered in that time. */
  onLag(lanes: readonly Lane[], now: number): void {
    for (const lane of lanes) {
      lane.progressAt = now;
      lane.lastReceivedAt = now;
    }
  }

  /** Called every few ms while anything is in flight. `blocked`: channels that wait for their window. */
  tick(lanes: readonly Lane[], blocked: Iterable<Channel>, now: number): void {
    for (const lane of lanes) {
      if (lane.hasFlights) this.#judge(lane, lanes, now);
      if (lane.late(now) > SPARSE_LATE) this.#copySparse(lane, lanes, now);
    }
    this.#keepAlive(lanes, now);
    for (const channel of blocked) this.#copyHead(channel, lanes, now);
    this.#probe(lanes, now);
  }

  #judge(lane: Lane, lanes: readonly Lane[], now: number): void {
    const { path } = lane;
    const limit = Math.max(
      SUSPECT_MIN,
      2 * path.srtt + 4 * path.rttvar,
      1.5 * path.habitualGap + path.minRtt,
      (1.5 * lane.inFlight) / path.rate,
    );
    if (lane.silence(now) <= limit) return;
    let witness = Number.NEGATIVE_INFINITY;
    for (const other of lanes) {
      if (other !== lane && other.ackedAt > witness) witness = other.ackedAt;
    }
    const silence = lane.silence(witness);
    if (silence <= limit) {
      this.#askForWitness(lane, lanes, now);
      return;
    }
    if (silence > GIVE_UP) {
      this.#actions.giveUp(lane);
      return;
    }
    if (lane.health === 'good') lane.health = 'suspect';
    if (lane.health === 'suspect' && silence > Math.max(STALLED_MIN, 2 * limit)) {
      lane.health = 'stalled';
      for (const { item } of lane.flights) {
        if (item.kind === 'data') leaveOpenLane(item.channel, lane);
        this.#transmitter.requeue(item, now);
      }
    }
    if (lane.health === 'suspect') this.#copyAll(lane, now);
  }

  /** Copies what a suspect lane holds, oldest first, as far as the budget goes. */
  #copyAll(lane: Lane, now: number): void {
    for (const { item } of lane.flights) {
      if (item.isAcked || item.isQueued || item.carriers > 1) continue;
      if (item.kind === 'data') {
        if (item.parts !== null) continue;
        if (item.length > this.#budget) return;
        this.#budget -= item.length;
        leaveOpenLane(item.channel, lane);
      }
      this.#transmitter.requeue(item, now);
    }
  }

  #askForWitness(lane: Lane, lanes: readonly Lane[], now: number): void {
    if (now - this.#askedAt < WITNESS_SPACING) return;
    const other = bestLane(
      lanes.filter((candidate) => candidate !== lane && !candidate.hasFlights),
      now,
    );
    if (other === null) return;
    this.#askedAt = now;
    this.#actions.ping(other, now);
  }

  /** Interactive data on a late lane is copied as soon as another lane would be clearly earlier. */
  #copySparse(lane: Lane, lanes: readonly Lane[], now: number): void {
    let looked = 0;
    for (const { item } of lane.flights) {
      looked += 1;
      if (looked > 4 * HEAD_RANGES) return;
      if (item.kind !== 'data' || !item.channel.send.isSparse(now)) continue;
      this.#copyIfEarlier(item, lane, lanes, SPARSE_LATE, now);
    }
  }

  /** The oldest ranges of a channel that its window holds up: the hole that everybody waits for. */
  #copyHead(channel: Channel, lanes: readonly Lane[], now: number): void {
    for (const segment of channel.send.oldest(HEAD_RANGES)) {
      if (segment.lane !== null) {
        this.#copyIfEarlier(segment, segment.lane, lanes, COPY_MARGIN, now);
      }
    }
  }

  #copyIfEarlier(
    segment: Segment,
    lane: Lane,
    lanes: readonly Lane[],
    margin: number,
    now: number,
  ): void {
    if (segment.isAcked || segment.isQueued || segment.carriers > 1) return;
    if (segment.parts !== null || segment.channel.openLane !== 'any') return;
    if (segment.length > this.#budget) return;
    const other = bestLane(
      lanes.filter((candidate) => candidate !== lane && candidate.health === 'good'),
      now,
    );
    if (other === null) return;
    // What is left of its way, at best: its lane is this late already, and as long again is likely.
    const remaining = lane.late(now) + Math.max(0, lane.path.arrival(lane.inFlight, 0) / 2);
    if (remaining < 1.5 * other.eta(segment.length, now) + margin) return;
    this.#budget -= segment.length;
    this.#transmitter.resentBytes += segment.length;
    this.#transmitter.send(segment, other, now);
  }

  #keepAlive(lanes: readonly Lane[], now: number): void {
    for (const lane of lanes) {
      const silence = now - lane.lastReceivedAt;
      if (silence > SILENT) this.#actions.giveUp(lane);
      else if (silence > KEEPALIVE && !lane.hasFlights) this.#actions.ping(lane, now);
    }
  }

  /** One lane at a time drains its queue to see its bare RTT again. */
  #probe(lanes: readonly Lane[], now: number): void {
    let isProbing = false;
    for (const lane of lanes) {
      if (lane.path.isProbing) lane.path.endProbe(now);
      isProbing = isProbing || lane.path.isProbing;
    }
    if (isProbing) return;
    lanes.find((lane) => lane.path.wantsProbe(now))?.path.startProbe(now);
  }
}

/** When the next keepalive is due on any lane, ms. */
export function keepAliveDeadline(lanes: readonly Lane[]): number {
  let deadline = Number.POSITIVE_INFINITY;
  for (const lane of lanes) {
    const silence = lane.hasFlights ? SILENT : KEEPALIVE;
    deadline = Math.min(deadline, lane.lastReceivedAt + silence + 1);
  }
  return deadline;
}

/** A channel whose OPEN is on a doubtful lane travels anew, OPEN first, on another. */
export function leaveOpenLane(channel: Channel, lane: Lane): void {
  if (channel.openLane === lane) channel.openLane = null;
}
