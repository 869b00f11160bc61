import type { Channel } from './channel.ts';
import { Copies } from './copies.ts';
import type { Lane } from './lane.ts';
import { bestLane } from './scheduler.ts';
import type { Transmitter } from './transmitter.ts';

/** A silence shorter than this is no news, ms. */
const SUSPECT_MIN = 150;
/** The same, for a lane whose round trip is not known yet. */
const SUSPECT_UNKNOWN = 1_000;
const STALLED_MIN = 600;
/** A stalled lane is given up after this; its replacement is dialled. */
const GIVE_UP = 3_000;
/** A lane that comes back after this has lost what it knew of its route. */
const RESTART_AFTER = 700;
/** A lane that nothing has arrived on: asked after the first, given up after the second, ms. */
const KEEPALIVE = 10_000;
const SILENT = 25_000;
/** The same, after traffic: by then the peer would have had something to say, or the lane is asked, ms. */
const QUIET = 500;
/** A lane that owes an answer for so long had better have a replacement, ms. */
const REPLACE_AFTER = 1_000;
/** Two probes for a witness are this far apart, ms; also two probes of a doubtful lane. */
const WITNESS_SPACING = 100;
const REVIVE_SPACING = 500;
/** A common silence longer than this says nothing about any lane, ms. */
const COMMON_SILENCE = 100;
/** One longer than this is no habit of any route, ms. */
const COMMON_HICCUP = 20;
/** A lane this late, ms, does not keep interactive data waiting. */
const INTERACTIVE_LATE = 20;

export interface RecoveryActions {
  /** The lane is beyond hope: end it and tell the peer. */
  giveUp(lane: Lane): void;
  /** The lane may be beyond hope: another in its place would do no harm. */
  replace(lane: Lane): void;
  /** Send something on the lane that the peer acknowledges. */
  ping(lane: Lane, now: number): void;
}

/**
 * Judges lanes by their silence, and has what they hold copied.
 *
 *                 silent for S                silent for max(600, 2 S)           3 s
 *      good --------------------> suspect ------------------------> stalled ----------> given up
 *        ^   no new data; copies     |        all it holds is           |
 *        |   within the budget       |        copied once               |
 *        +------- acknowledgement ---+----------------------------------+
 *
 * S is learned from the lane's own habit. A silence counts only while other lanes speak: when all
 * are silent, the peer or this process was paused, or the whole route is down, and copies would help
 * nobody. So a lane is judged by its silence up to the last acknowledgement elsewhere (if the others
 * have nothing in flight, a PING on one of them asks for that witness), and a silence that all lanes
 * shared is forgotten when it ends.
 */
export class Recovery {
  readonly copies: Copies;
  readonly #actions: RecoveryActions;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** When this process last went on after a pause. */
  #woken = Number.NEGATIVE_INFINITY;
  #lastAckAt = Number.NEGATIVE_INFINITY;

  constructor(transmitter: Transmitter, actions: RecoveryActions) {
    this.copies = new Copies(transmitter);
    this.#actions = actions;
  }

  /** An acknowledgement of the lane is about to be counted. */
  beforeAck(lane: Lane, lanes: readonly Lane[], now: number): void {
    // It was waited for all that time, and meanwhile nobody else heard anything either.
    const silence = Math.min(lane.silence(now), now - this.#lastAckAt);
    this.#lastAckAt = now;
    if (silence > COMMON_SILENCE) {
      for (const each of lanes) each.excuse(silence - COMMON_SILENCE, now);
    } else if (silence > COMMON_HICCUP && lanes.length > 1) {
      for (const each of lanes) each.path.excuse(silence, now);
    }
  }

  /** `bytes` of the lane were acknowledged, after `silence` ms. */
  onAck(lane: Lane, bytes: number, silence: number, now: number): void {
    this.copies.earn(bytes, lane.path.cap);
    if (lane.path.isProbing) lane.path.endProbe(now);
    if (lane.health === 'good') return;
    if (silence > RESTART_AFTER) lane.path.restart();
    // What trickles in after its time does not make a lane fit for new data.
    lane.health = lane.isOverdue(now) ? 'suspect' : 'good';
  }

  /** The clock jumped: nobody could have answered in that time. */
  onLag(lanes: readonly Lane[], now: number): void {
    this.#woken = now;
    for (const lane of lanes) lane.lastReceivedAt = now;
  }

  /** Called every few ms while anything is in flight. `blocked`: channels that wait for the peer. */
  tick(lanes: readonly Lane[], blocked: Iterable<Channel>, now: number): void {
    for (const lane of [...lanes]) {
      if (lane.hasFlights) {
        this.#judge(lane, lanes, now);
        const silence = Math.min(lane.silence(now), now - this.#woken);
        if (silence > REPLACE_AFTER) this.#actions.replace(lane);
      }
      if (lane.late(now) > INTERACTIVE_LATE) this.copies.interactive(lane, lanes, now);
      this.#keepAlive(lane, now);
    }
    for (const channel of blocked) this.copies.head(channel, lanes, now);
    this.#probe(lanes, now);
  }

  #judge(lane: Lane, lanes: readonly Lane[], now: number): void {
    const limit = doubtAfter(lane);
    if (!lane.isOverdue(now) && lane.silence(now) <= limit) return;
    let witness = Number.NEGATIVE_INFINITY;
    for (const other of lanes) {
      if (other !== lane && other.ackedAt > witness) witness = other.ackedAt;
    }
    const silence = lane.silence(witness);
    if (!lane.isOverdue(witness) && silence <= limit) {
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
      this.copies.everything(lane);
    }
    if (lane.health === 'suspect') this.copies.heads(lane, lanes, now);
    // The acknowledgement may have been lost with the lane that carried it.
    if (now - lane.probedAt >= REVIVE_SPACING) {
      lane.probedAt = now;
      this.#actions.ping(lane, now);
    }
  }

  #askForWitness(lane: Lane, lanes: readonly Lane[], now: number): void {
    if (now - this.#askedAt < WITNESS_SPACING) return;
    const idle = lanes.filter((candidate) => candidate !== lane && !candidate.hasFlights);
    const other = bestLane(idle, 0, now);
    if (other === null) return;
    this.#askedAt = now;
    this.#actions.ping(other, now);
  }

  #keepAlive(lane: Lane, now: number): void {
    const silence = now - lane.lastReceivedAt;
    if (silence > SILENT) this.#actions.giveUp(lane);
    else if (!lane.hasFlights && silence > keepAliveAfter(lane)) {
      lane.askedAt = now;
      this.#actions.ping(lane, now);
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
    const silence = lane.hasFlights ? SILENT : keepAliveAfter(lane);
    deadline = Math.min(deadline, lane.lastReceivedAt + silence + 1);
  }
  return deadline;
}

/** How long an idle lane may be silent before it is asked for a sign of life, ms. */
function keepAliveAfter(lane: Lane): number {
  return lane.lastDataAt > lane.askedAt ? QUIET : KEEPALIVE;
}

/** How long a lane may be silent before it is doubted, ms. */
function doubtAfter(lane: Lane): number {
  const { path } = lane;
  return Math.max(
    path.isKnown ? SUSPECT_MIN : SUSPECT_UNKNOWN,
    // Without the limit, one long silence would excuse the next.
    Math.min(2 * path.srtt + 4 * path.rttvar, 3 * path.minRtt + SUSPECT_UNKNOWN),
    1.5 * path.habitualGap + path.minRtt,
    (1.5 * lane.inFlight) / path.rate,
  );
}
