import { ZERO } from '../core/zero.ts';
import type { Lane } from './lane.ts';

/** How long after its last frame interactive traffic counts as live, ms. */
const LIVE = 5_000;
/**
 * The queue that bulk may build on the express lane, ms, where routes are smooth. With less, the few
 * ms by which two busy event loops jitter run the lane dry, and its measured rate sinks with it.
 */
const TIGHT = 20;
/** Of what a bursty route carries, bulk takes this share on the express lane, in bursts of so many bytes. */
const SHARE = 0.8;
const BURST_BYTES = 16 * 1024;
/** A pace has this long to show that it helps, ms: longer than silences are remembered. */
const TRIAL = 12_000;
/** If it does not, none is kept for so long, ms. */
const FUTILE = 60_000;

/**
 * Keeps one lane quick for interactive traffic while there is any, at little cost to bulk.
 *
 * On smooth routes bulk builds less of a queue there. Where every route is bursty, each policer
 * drops what comes above its rate, and all that is behind the loss waits for the repair; so on this
 * lane bulk is paced well below the rate, and its policer has nothing to drop.
 */
export class Express {
  #liveUntil = Number.NEGATIVE_INFINITY;
  #lane: Lane | null = null;
  /** Bytes of bulk that the pace allows by now. */
  #allowance = 0;
  #allowedAt = ZERO;
  #sentBytes = ZERO;
  #pacedAt = ZERO;
  #futileUntil = Number.NEGATIVE_INFINITY;

  /** Interactive data was sent. */
  note(now: number): void {
    this.#liveUntil = now + LIVE;
  }

  /** Sets what bulk may have in flight on each lane. */
  update(lanes: readonly Lane[], now: number): void {
    const lane = lanes.length > 1 && now < this.#liveUntil ? this.#choose(lanes) : null;
    if (lane !== this.#lane) {
      if (this.#lane !== null) {
        this.#lane.bulkLimit = Number.POSITIVE_INFINITY;
        this.#lane.isPaced = false;
      }
      this.#lane = lane;
    }
    if (lane === null) return;
    // Paced, the lane shows no bursts of its own any more; the others say whether there still are.
    const isBursty = lane.isPaced || lane.path.habitualGap > 0;
    const isPaced =
      isBursty &&
      now >= this.#futileUntil &&
      lanes.every((other) => other === lane || isBurstyOrUnfit(other));
    if (isPaced && !lane.isPaced) this.#startPace(lane, now);
    // Bursts that go on in spite of the pace are losses, not a policer's.
    if (isPaced && now - this.#pacedAt > TRIAL && lane.path.habitualGap > 0) {
      this.#futileUntil = now + FUTILE;
    }
    lane.isPaced = isPaced;
    const limit = lane.isPaced ? this.#pace(lane, now) : Number.POSITIVE_INFINITY;
    // Nothing joins a queue that is longer than it should be, such as while BBR probes for the RTT.
    lane.bulkLimit = lane.late(now) > TIGHT ? 0 : Math.min(limit, lane.path.tightCap(TIGHT));
  }

  /** Keeps to a lane for as long as no other is clearly quicker. */
  #choose(lanes: readonly Lane[]): Lane | null {
    let best: Lane | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const lane of lanes) {
      if (lane.health !== 'good' || lane.isDraining) continue;
      const its = delay(lane);
      if (best !== null && its >= least) continue;
      best = lane;
      least = its;
    }
    const current = this.#lane;
    if (best === null || current === null || !lanes.includes(current)) return best;
    const isFit = current.health === 'good' && !current.isDraining;
    return isFit && delay(current) < 1.5 * least + TIGHT ? current : best;
  }

  #startPace(lane: Lane, now: number): void {
    this.#pacedAt = now;
    this.#allowance = 0;
    this.#allowedAt = now;
    this.#sentBytes = lane.sentBytes;
  }

  /** A token bucket: what may be in flight so that bulk keeps its pace. */
  #pace(lane: Lane, now: number): number {
    const earned = (now - this.#allowedAt) * lane.path.sustainedRate * SHARE;
    this.#allowedAt = now;
    const spent = lane.sentBytes - this.#sentBytes;
    this.#sentBytes = lane.sentBytes;
    this.#allowance = Math.min(BURST_BYTES, this.#allowance + earned - spent);
    return lane.inFlight + this.#allowance;
  }
}

function isBurstyOrUnfit(lane: Lane): boolean {
  return lane.path.habitualGap > 0 || lane.health !== 'good' || lane.isDraining;
}

/** What an interactive frame would take, apart from today's queue. */
function delay(lane: Lane): number {
  return lane.path.minRtt / 2 + lane.path.burst;
}
