import { ZERO } from '../core/zero.ts';
import type { Channel } from './channel.ts';
import type { Lane } from './lane.ts';
import type { Segment } from './segment.ts';
import type { Transmitter } from './transmitter.ts';

/** What copies may cost: this share of acknowledged bytes, with this much in hand. */
const SHARE = 0.015;
const BURST = 512 * 1024;
/** Segments of a blocked channel, and of a late lane, that are looked at. */
const HEAD_SEGMENTS = 8;
const LATE_SEGMENTS = 32;
/** A copy must arrive this much earlier than the original, ms. */
const MARGIN = 10;
/** The same, while the rate of its lane is a guess. */
const MARGIN_UNKNOWN = 100;

/**
 * Sends what is still under way on one lane again on another, where it would arrive earlier. TCP
 * under a lane loses nothing, so copies serve time only, and a budget bounds their cost.
 */
export class Copies {
  readonly #transmitter: Transmitter;
  #budget = ZERO + BURST;

  constructor(transmitter: Transmitter) {
    this.#transmitter = transmitter;
  }

  /** Bytes of copies that may still be sent. */
  get budget(): number {
    return this.#budget;
  }

  /** `bytes` were acknowledged on a lane that may have `cap` bytes in flight. */
  earn(bytes: number, cap: number): void {
    this.#budget = Math.min(BURST + cap, this.#budget + bytes * SHARE);
  }

  /** All that a lane carries which is not to be waited for: without regard to the budget. */
  everything(lane: Lane): void {
    for (const { item } of lane.flights) {
      if (item.channel !== null) this.#transmitter.leaveOpenLane(item.channel, lane);
      this.#transmitter.requeue(item);
    }
  }

  /**
   * What a doubtful lane carries and others wait for: control frames, and data at the head of its
   * channel. Behind those nobody waits yet, and most lanes come back.
   */
  heads(lane: Lane, lanes: readonly Lane[], now: number): void {
    const heads = new Map<Channel, ReadonlySet<Segment>>();
    let looked = 0;
    for (const { item } of lane.flights) {
      looked += 1;
      if (looked > LATE_SEGMENTS) return;
      if (item.isAcked || item.isQueued || item.carriers > 1) continue;
      const { channel } = item;
      if (channel !== null && channel.openLane === lane) {
        this.#transmitter.leaveOpenLane(channel, lane);
        this.#transmitter.requeue(item);
      } else if (item.kind === 'control') this.#transmitter.requeue(item);
      else {
        let oldest = heads.get(item.channel);
        if (oldest === undefined) {
          oldest = new Set(item.channel.send.oldest(HEAD_SEGMENTS));
          heads.set(item.channel, oldest);
        }
        if (oldest.has(item)) this.#ifEarlier(item, lanes, now);
      }
    }
  }

  /** Interactive data on a lane that is late. */
  interactive(lane: Lane, lanes: readonly Lane[], now: number): void {
    let looked = 0;
    for (const { item } of lane.flights) {
      looked += 1;
      if (looked > LATE_SEGMENTS) return;
      if (item.kind === 'data' && item.isSparse) this.#ifEarlier(item, lanes, now);
    }
  }

  /** The oldest segments of a channel that its window holds up: the hole that everybody waits for. */
  head(channel: Channel, lanes: readonly Lane[], now: number): void {
    for (const segment of channel.send.oldest(HEAD_SEGMENTS)) {
      this.#ifEarlier(segment, lanes, now);
    }
  }

  #ifEarlier(segment: Segment, lanes: readonly Lane[], now: number): void {
    const { lane } = segment;
    if (lane === null || segment.isAcked || segment.isQueued || segment.carriers > 1) return;
    if (segment.channel.openLane !== 'any') return;
    let earliest = Number.POSITIVE_INFINITY;
    for (const other of lanes) {
      if (other === lane || other.health !== 'good' || other.isDraining) continue;
      earliest = Math.min(earliest, other.eta(segment.length, now));
    }
    const margin = lane.path.isMeasured ? MARGIN : MARGIN_UNKNOWN;
    if (lane.remaining(segment, now) < 1.5 * earliest + margin) return;
    if (this.#pay(segment)) this.#transmitter.requeue(segment);
  }

  #pay(segment: Segment): boolean {
    if (segment.parts !== null || segment.length > this.#budget) return false;
    this.#budget -= segment.length;
    return true;
  }
}
