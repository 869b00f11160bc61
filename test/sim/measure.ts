import { VirtualClock } from '../../src/loop/virtual-clock.ts';
import { EndClock } from './end-clock.ts';
import { LanePair, type RouteParameters } from './lane-pair.ts';
import { plainMemory } from './memory.ts';
import type { WorldPlan } from './plan.ts';
import { Random } from './random.ts';
import type { Scenario } from './scenarios.ts';
import { World } from './world.ts';

/** What a scenario showed. Shares are of 1, times in ms. */
export interface Figures {
  /** What bulk carried, as a share of what the lanes could. */
  readonly efficiency: number;
  /** The same, in the two seconds that begin one second after the fault is over. */
  readonly after: number | null;
  /** The longest time without a delivery of bulk. */
  readonly gap: number;
  /** One-way delays of messages; null without messages. */
  readonly p50: number | null;
  readonly p99: number | null;
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
  const maybe = (pick: (figures: Figures) => number | null): number | null =>
    pick(runs[0]!) === null ? null : median((figures) => pick(figures) ?? 0);
  return {
    efficiency: median(({ efficiency }) => efficiency),
    after: maybe(({ after }) => after),
    gap: median(({ gap }) => gap),
    p50: maybe(({ p50 }) => p50),
    p99: maybe(({ p99 }) => p99),
    duplicates: median(({ duplicates }) => duplicates),
    reorderPeak: median(({ reorderPeak }) => reorderPeak),
    lost: median(({ lost }) => lost),
  };
}

function measureOnce(scenario: Scenario, run: number): Figures {
  const { from, until, over } = scenario;
  const plan = varied(scenario.plan, run);
  const world = new World(plan);
  const bulk = world.channels[0]!.up;
  const messages = world.channels[1]?.up;
  const whole = { from, until, bytes: 0 };
  const after = { from: (over ?? 0) + 1_000, until: (over ?? 0) + 3_000, bytes: 0 };
  bulk.spans.push(whole, after);
  for (const { up } of world.channels) up.measureFrom = from;
  world.run();
  const capacity = scenario.capacity ?? plainCapacity(plan.routes, until - from, plan.seed);
  const rate = plan.routes.reduce((sum, { up }) => sum + up.rate, 0);
  const delays = messages === undefined ? null : [...messages.delays].sort((a, b) => a - b);
  const { transmitter } = world.entry.session;
  return {
    efficiency: whole.bytes / capacity,
    after: over === null ? null : after.bytes / (rate * (after.until - after.from)),
    gap: bulk.longestGap,
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
function plainCapacity(routes: readonly RouteParameters[], time: number, seed: number): number {
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
function percentile(sorted: readonly number[] | null, share: number): number | null {
  if (sorted === null) return null;
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Of each scenario. */
const RUNS = 3;
/** ms. */
const WARM_UP = 1_000;
