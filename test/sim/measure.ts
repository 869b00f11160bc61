import { VirtualClock } from '../../src/loop/virtual-clock.ts';
import { EndClock } from './end-clock.ts';
import { LanePair, type RouteParameters } from './lane-pair.ts';
import { plainMemory } from './memory.ts';
import type { WorldPlan } from './plan.ts';
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
  /** Bytes that the receiver held at most to restore order. */
  readonly reorderPeak: number;
  /** Lanes that an end gave up. */
  readonly lost: number;
}

/** The medians of several runs, each figure by itself. */
export function measure(scenario: Scenario): Figures {
  const runs = Array.from({ length: RUNS }, (_, run) => measureOnce(scenario, run));
  const median = (pick: (figures: Figures) => number): number =>
    runs.map(pick).sort((a, b) => a - b)[Math.floor(RUNS / 2)]!;
  return {
    efficiency: median(({ efficiency }) => efficiency),
    gap: median(({ gap }) => gap),
    p50: median(({ p50 }) => p50),
    p99: median(({ p99 }) => p99),
    duplicates: median(({ duplicates }) => duplicates),
    reorderPeak: median(({ reorderPeak }) => reorderPeak),
    lost: median(({ lost }) => lost),
  };
}

export function measureOnce(scenario: Scenario, run: number): Figures {
  const { from, until } = scenario;
  const plan = varied(scenario.plan, run);
  const world = new World(plan);
  const [bulk, messages] = world.channels;
  for (const { up } of world.channels) {
    up.measureFrom = from;
    up.measureUntil = until;
  }
  world.run();
  const capacity = scenario.capacity ?? plainCapacity(plan.routes, until - from, plan.seed);
  const delays = [...(messages?.up.delays ?? [])].sort((a, b) => a - b);
  const { transmitter } = world.entry.session;
  return {
    efficiency: bulk!.up.measuredBytes / capacity,
    gap: bulk!.up.longestGap,
    p50: percentile(delays, 0.5),
    p99: percentile(delays, 0.99),
    duplicates: transmitter.resentBytes / transmitter.payloadBytes,
    reorderPeak: world.inspector.peakHeld,
    lost: world.givenUp,
  };
}

/** The same world on another day: other losses, and nothing at quite the same time. */
function varied(plan: WorldPlan, run: number): WorldPlan {
  const random = new Random(run + 1);
  const channels = plan.channels.map((channel) => ({
    ...channel,
    opensAt: channel.opensAt + random.int(0, 50),
  }));
  return { ...plan, seed: plan.seed + run, channels };
}

/** Bytes that one plain TCP connection per route carries, side by side, up, in so many ms. */
export function plainCapacity(
  routes: readonly RouteParameters[],
  time: number,
  seed: number,
): number {
  let bytes = 0;
  routes.forEach((route, index) => {
    const clock = new VirtualClock();
    const random = new Random(seed * 1_000 + index);
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

/** Of each scenario. */
const RUNS = 5;
/** ms. */
const WARM_UP = 1_000;
