import type { Lane } from './lane.ts';

/** What is to be sent next. */
export interface Demand {
  /** Interactive traffic goes first and may pass a lane's cap by a little. */
  readonly isSparse: boolean;
  /** Bytes that the receiver's window still takes. */
  readonly freeWindow: number;
  /** Bytes that are left of the channel, once its end is known; otherwise infinite. */
  readonly left: number;
  /** Channels with bulk for these lanes, this one among them: what lanes carry is shared by so many. */
  readonly sharers: number;
}

/**
 * A policy: which lane takes the next frame. Null is "none now": the session asks again after the
 * next acknowledgement, drain or timer. Mechanism (caps, windows, fairness) is not its business.
 */
export interface Scheduler {
  readonly name: SchedulerName;
  pick(lanes: readonly Lane[], demand: Demand, now: number): Lane | null;
  /** False for policies that know no cap and leave congestion to the kernel's buffers. */
  readonly usesCap: boolean;
}

export type SchedulerName = 'adaptive' | 'round-robin' | 'until-congested';

/** Bytes by which interactive frames may pass the cap. */
export const SPARSE_ALLOWANCE = 16 * 1024;
/** Arrivals that differ by less than this count as the same for bulk, ms. */
const NEARLY_SAME = 5;
/** A frame of so many bytes costs little for what it brings. */
const LONG_FRAME = 256 * 1024;
/** Lanes that have shown little wait while one with long frames has been full for less than this, ms. */
const MOMENT = 10;
/** Frames of a direction that has ended wait for a faster lane if they gain more than this, ms. */
const TAIL_MARGIN = 50;

export function createScheduler(name: SchedulerName): Scheduler {
  switch (name) {
    case 'adaptive':
      return adaptive();
    case 'round-robin':
      return roundRobin();
    case 'until-congested':
      return untilCongested();
  }
}

/** True when the lane takes new frames at all. */
export function isOpen(lane: Lane): boolean {
  return lane.health === 'good' && !lane.isDraining && lane.port.writable;
}

export function hasRoom(lane: Lane, isSparse: boolean): boolean {
  const path = lane.path;
  return isSparse
    ? lane.inFlight <= path.cap + SPARSE_ALLOWANCE
    : lane.inFlight + path.chunk / 2 <= Math.min(path.cap, lane.bulkLimit);
}

/** The lane on which `bytes` arrive first; a doubtful one if there is no other. */
export function bestLane(lanes: readonly Lane[], bytes: number, now: number): Lane | null {
  let best: Lane | null = null;
  let bestEta = Number.POSITIVE_INFINITY;
  for (const lane of lanes) {
    if (!lane.port.writable) continue;
    const penalty = lane.health === 'good' && !lane.isDraining ? 0 : 1e6;
    const eta = lane.eta(bytes, now) + penalty;
    if (eta < bestEta) {
      best = lane;
      bestEta = eta;
    }
  }
  return best;
}

/**
 * The earliest estimated arrival among lanes below their caps. Frames sent in order of arrival
 * arrive in order, so the reorder buffer stays small (STMS, ATC 2018). Two checks keep slow lanes
 * from harm: not when what the others could carry of this channel meanwhile would not fit its window
 * (BLEST, IFIP Networking 2016), and at the end of a transfer not when the faster lanes would finish
 * all of it sooner (ECF, CoNEXT 2017).
 */
function adaptive(): Scheduler {
  let last: Lane | null = null;
  return {
    name: 'adaptive',
    usesCap: true,
    pick(lanes, demand, now) {
      if (demand.isSparse) return earliest(lanes, demand, now);
      if (last !== null && isSoon(last, lanes, demand, now)) return last;
      const best = earliest(lanes, demand, now);
      if (best === null) return null;
      if (best.path.chunk < LONG_FRAME && isFullForMoment(lanes, best, now)) return null;
      const bestEta = etaOf(best, demand, now);
      const fastestEta = fastest(lanes, bestEta, demand, now);
      if (fastestEta < bestEta && isBetterLater(lanes, best, bestEta, fastestEta, demand))
        return null;
      last = longerFrames(lanes, best, demand, now);
      return last;
    },
  };
}

/**
 * True if bulk may go on on this lane without a look at the others: it arrives so soon that none of them
 * can be better by a time that matters. What follows on one lane arrives in order and costs both ends least.
 */
function isSoon(lane: Lane, lanes: readonly Lane[], demand: Demand, now: number): boolean {
  if (lane.path.chunk < LONG_FRAME || !isOpen(lane) || !hasRoom(lane, false)) return false;
  return etaOf(lane, demand, now) < NEARLY_SAME && lanes.includes(lane);
}

/**
 * True if all that `best` could take is a crumb, while on a short route another lane, with frames several
 * times as long, is full for no more than a moment: when two processes share a processor, one is ahead of
 * the other for some ms all the time. A lane that its route holds up stays full, and then the others get
 * what shows how much they carry.
 */
function isFullForMoment(lanes: readonly Lane[], best: Lane, now: number): boolean {
  for (const lane of lanes) {
    const { path } = lane;
    if (path.minRtt >= NEARLY_SAME || path.chunk < LONG_FRAME || path.chunk < 4 * best.path.chunk)
      continue;
    if (lane.health !== 'good' || lane.isDraining || lane.late(now) >= NEARLY_SAME) continue;
    // One that is kept quick for messages, or empty for a probe, is full by our own will.
    if (Number.isFinite(lane.bulkLimit) || path.isProbing) continue;
    const isFull = !lane.port.writable || !hasRoom(lane, false);
    if (isFull && path.fullFor(now) < MOMENT) return true;
  }
  return false;
}

/** Of the lanes with room, the one with the earliest arrival; null if none has room. */
function earliest(lanes: readonly Lane[], demand: Demand, now: number): Lane | null {
  let best: Lane | null = null;
  let bestEta = Number.POSITIVE_INFINITY;
  for (const lane of lanes) {
    if (!isOpen(lane) || !hasRoom(lane, demand.isSparse)) continue;
    const eta = etaOf(lane, demand, now);
    if (eta >= bestEta) continue;
    best = lane;
    bestEta = eta;
  }
  return best;
}

/** The earliest arrival, also on lanes that have no room now. `bestEta` is the earliest on those that have. */
function fastest(lanes: readonly Lane[], bestEta: number, demand: Demand, now: number): number {
  let fastestEta = bestEta;
  for (const lane of lanes) {
    if (lane.health !== 'good' || lane.isDraining) continue;
    if (lane.port.writable && hasRoom(lane, false)) continue;
    fastestEta = Math.min(fastestEta, etaOf(lane, demand, now));
  }
  return fastestEta;
}

/** True when the frame had better wait for a faster lane, which has no room now. */
function isBetterLater(
  lanes: readonly Lane[],
  best: Lane,
  bestEta: number,
  fastestEta: number,
  demand: Demand,
): boolean {
  let elsewhere = 0;
  for (const lane of lanes) {
    if (lane !== best && lane.health === 'good' && !lane.isDraining) elsewhere += lane.path.rate;
  }
  const share = elsewhere / demand.sharers;
  if ((bestEta - fastestEta) * share > demand.freeWindow) return true;
  return bestEta > demand.left / share + fastestEta + TAIL_MARGIN;
}

/**
 * Where arrivals are nearly the same, as they are on short routes, bulk takes the lane with the
 * longest frames: it has shown more, and long frames cost less. Crumbs for lanes that have shown
 * little cost most of all, so there it is the arrival of as many bytes that counts, for which such a
 * lane would need many frames.
 */
function longerFrames(lanes: readonly Lane[], best: Lane, demand: Demand, now: number): Lane {
  const isShort = best.path.minRtt < NEARLY_SAME;
  const usual = frameBytes(best, demand);
  let longest = best;
  for (const lane of lanes) {
    if (lane.path.chunk <= longest.path.chunk || !isOpen(lane) || !hasRoom(lane, false)) continue;
    const bytes = frameBytes(lane, demand);
    const latest = best.eta(isShort ? bytes : usual, now) + NEARLY_SAME;
    if (lane.eta(bytes, now) <= latest) longest = lane;
  }
  return longest;
}

/** When the frame that the lane would take has arrived: ms from now. */
function etaOf(lane: Lane, demand: Demand, now: number): number {
  return lane.eta(demand.isSparse ? 0 : frameBytes(lane, demand), now);
}

/** Bytes of a bulk frame on the lane. */
function frameBytes(lane: Lane, { freeWindow }: Demand): number {
  return Math.min(lane.path.chunk, freeWindow);
}

/** The 2014 project's first mode: each frame to the next lane that is not congested. */
function roundRobin(): Scheduler {
  let last = -1;
  return {
    name: 'round-robin',
    usesCap: false,
    pick(lanes) {
      for (let step = 1; step <= lanes.length; step += 1) {
        const at = (last + step) % lanes.length;
        const lane = lanes[at];
        if (lane !== undefined && isOpen(lane)) {
          last = at;
          return lane;
        }
      }
      return null;
    },
  };
}

/** Its second mode: stay on a lane until it is congested, then take the next. */
function untilCongested(): Scheduler {
  let current = 0;
  return {
    name: 'until-congested',
    usesCap: false,
    pick(lanes) {
      for (let step = 0; step < lanes.length; step += 1) {
        const at = (current + step) % lanes.length;
        const lane = lanes[at];
        if (lane !== undefined && isOpen(lane)) {
          current = at;
          return lane;
        }
      }
      return null;
    },
  };
}
