import { VirtualClock } from '../../src/loop/virtual-clock.ts';
import { EndClock } from './end-clock.ts';
import { LanePair, type RouteParameters } from './lane-pair.ts';
import { plainMemory } from './memory.ts';
import { Random } from './random.ts';
import type { Scenario } from './scenarios.ts';
import { World } from './world.ts';

/** What one world showed. Shares are of 1, times in ms. */
export interface Figures {
  readonly efficiency: number;
  readonly gap: number;
  readonly p50: number;
  readonly p99: number;
  /** Bytes sent again, as a share of those sent. */
  readonly duplicates: number;
  readonly duplicateBytes: number;
  /** Bytes that the receiver held at most to restore order. */
  readonly reorderPeak: number;
  /** Lanes that an end gave up. */
  readonly lost: number;
  /** Events of the simulation. */
  readonly events: number;
}

export function measure(scenario: Scenario): Figures {
  const { plan, from, until } = scenario;
  const world = new World(plan);
  const [bulk, messages] = world.channels;
  for (const { up } of world.channels) {
    up.measureFrom = from;
    up.measureUntil = until;
  }
  world.run();
  const capacity = scenario.capacity ?? plainCapacity(plan.routes, until - from);
  const delays = [...messages!.up.delays].sort((a, b) => a - b);
  const { transmitter } = world.entry.session;
  return {
    efficiency: bulk!.up.measuredBytes / capacity,
    gap: bulk!.up.longestGap,
    p50: percentile(delays, 0.5),
    p99: percentile(delays, 0.99),
    duplicates: transmitter.resentBytes / transmitter.payloadBytes,
    duplicateBytes: transmitter.resentBytes,
    reorderPeak: world.inspector.peakHeld,
    lost: world.givenUp,
    events: world.events,
  };
}

/** Bytes that one plain TCP connection per route carries, side by side, up, in so many ms. */
export function plainCapacity(routes: readonly RouteParameters[], time: number): number {
  let bytes = 0;
  routes.forEach((route, index) => {
    const clock = new VirtualClock();
    const random = new Random(index + 1);
    const ends = { entry: new EndClock(clock, random), exit: new EndClock(clock, random) };
    const pair = new LanePair(clock, random, plainMemory, route, ends);
    const payload = new Uint8Array(64 * 1024);
    const fill = (): void => {
      while (pair.entry.writable) pair.entry.send(plainMemory.chunk(payload));
    };
    const silent = { onFin() {}, onFinSent() {}, onBroken() {} };
    pair.entry.attach({ ...silent, onChunk() {}, onDrain: fill });
    pair.exit.attach({ ...silent, onChunk() {}, onDrain() {} });
    pair.exit.resume();
    fill();
    clock.runUntil(WARM_UP);
    const before = pair.up.arrivedBytes;
    clock.runUntil(WARM_UP + time);
    bytes += pair.up.arrivedBytes - before;
  });
  return bytes;
}

/** Of sorted values. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** ms. */
const WARM_UP = 1_000;
