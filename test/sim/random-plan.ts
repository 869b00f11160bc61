import type { RouteParameters } from './lane-pair.ts';
import type { LinkParameters } from './link.ts';
import type { AppPlan, ChannelPlan, Fault, ReadPlan, WorldPlan, WritePlan } from './plan.ts';
import { Random } from './random.ts';

/** A world of any kind, small enough to be run by the hundred. */
export function randomPlan(seed: number): WorldPlan {
  const random = new Random(seed);
  const routes = randomRoutes(random);
  const rate = routes.reduce((sum, { up, down }) => sum + Math.min(up.rate, down.rate), 0);
  const channels = randomChannels(random, Math.min(MOST, rate * random.pick(DURATIONS)));
  const faults = randomFaults(random, routes.length);
  const isTight = random.chance(0.3);
  return {
    seed,
    scheduler: random.chance(0.8) ? 'adaptive' : random.pick(['round-robin', 'until-congested']),
    routes,
    redialAfter: random.pick([20, 200, 1_000]),
    channels,
    faults,
    sessionWindow: isTight ? random.int(64, 512) * 1024 : random.int(1, 16) * MIB,
    initialWindow: random.pick([4, 16, 64, 256]) * 1024,
    sendBudget: random.pick([0.125, 0.5, 4, 64]) * MIB,
    maxChannels: 1_000,
    usesSlabs: random.chance(0.5),
    limit: 300_000,
  };
}

function randomRoutes(random: Random): RouteParameters[] {
  const kind = random.pick(['equal', 'unequal', 'mixed'] as const);
  const count = random.pick([1, 2, 2, 3, 4, 4, 6, 8]);
  const common = randomLink(random);
  return Array.from({ length: count }, () => {
    if (kind === 'equal') return { up: common, down: common };
    const up = randomLink(random);
    return { up, down: kind === 'mixed' ? { ...randomLink(random), delay: up.delay } : up };
  });
}

function randomLink(random: Random): LinkParameters {
  const rate = random.scaled(20, 2_000);
  const isPoliced = random.chance(0.2);
  return {
    rate,
    delay: random.scaled(0.25, 120),
    buffer: random.scaled(8 * 1024, 4 * MIB),
    piece: Math.min(65_536, Math.max(1_460, rate * random.pick([0, 2, 20]))),
    isRagged: random.chance(0.3),
    ...(isPoliced && { policer: { depth: random.int(16, 256) * 1024 } }),
    ...(random.chance(0.2) && { loss: random.between(0.0005, 0.02) }),
  };
}

/** `total`: bytes that all channels write, at most, in each direction. */
function randomChannels(random: Random, total: number): ChannelPlan[] {
  const count = random.pick([1, 2, 3, 5, 8, 16]);
  const share = total / count;
  return Array.from({ length: count }, () => ({
    opensAt: random.chance(0.5) ? random.int(0, 50) : random.int(0, 6_000),
    answersAfter: random.pick([0, 1, 30, 500]),
    isRefused: random.chance(0.04),
    entry: randomApp(random, share, true),
    exit: randomApp(random, share, false),
  }));
}

function randomApp(random: Random, share: number, isEntry: boolean): AppPlan {
  return {
    writes: randomWrites(random, share, isEntry),
    reads: randomReads(random),
    ...(random.chance(0.1) && { resetAfter: random.int(0, 5_000) }),
  };
}

function randomWrites(random: Random, share: number, isEntry: boolean): WritePlan {
  const kinds = ['bulk', 'bulk', 'messages', 'bursts', 'nothing', isEntry ? 'bulk' : 'replies'];
  switch (random.pick(kinds)) {
    case 'bulk':
      return {
        kind: 'bulk',
        bytes: Math.floor(random.chance(0.5) ? share : random.scaled(1, share)),
        chunk: random.pick([100, 1_400, 16_384, 65_536]),
      };
    case 'messages':
      return {
        kind: 'messages',
        size: random.pick([1, 100, 1_000]),
        every: random.pick([10, 100]),
        count: random.int(1, 60),
      };
    case 'bursts':
      return {
        kind: 'messages',
        size: random.int(10_000, Math.max(10_000, share / 10)),
        every: random.int(100, 1_000),
        count: random.int(1, 10),
      };
    case 'replies': {
      const request = random.pick([1, 100, 10_000]);
      return { kind: 'replies', request, reply: random.int(1, 2 * request) };
    }
    default:
      // Two that wait for each other's FIN would wait for ever.
      return { kind: 'nothing', ends: isEntry ? 'first' : random.pick(['first', 'last']) };
  }
}

function randomReads(random: Random): ReadPlan {
  switch (random.pick(['eager', 'eager', 'eager', 'slow', 'naps', 'deaf'])) {
    case 'slow':
      return { kind: 'slow', rate: random.scaled(100, 2_000) };
    case 'naps':
      return { kind: 'naps', awake: random.int(1, 500), nap: random.int(1, 2_000) };
    case 'deaf':
      return { kind: 'deaf', until: random.int(0, 5_000) };
    default:
      return { kind: 'eager' };
  }
}

function randomFaults(random: Random, routes: number): Fault[] {
  const count = random.pick([0, 0, 1, 2, 4, 8]);
  return Array.from({ length: count }, (): Fault => {
    const at = random.int(0, 6_000);
    const route = random.int(0, routes - 1);
    switch (random.pick(['break', 'break', 'stall', 'throttle', 'outage', 'stop', 'drain'])) {
      case 'break':
        return {
          at,
          kind: 'break',
          route,
          seenBy: random.pick(['both', 'entry', 'exit']),
          otherAfter: random.pick([null, 1, 100, 3_000]),
        };
      case 'stall':
        return {
          at,
          kind: 'stall',
          route,
          lasts: random.pick([50, 300, 1_000, 5_000]),
          direction: random.pick(['both', 'up', 'down']),
        };
      case 'throttle':
        return { at, kind: 'throttle', route, lasts: 3_000, factor: random.pick([0.05, 0.3]) };
      case 'outage':
        return { at, kind: 'outage', lasts: random.int(100, 6_000), isSilent: random.chance(0.5) };
      case 'stop':
        return {
          at,
          kind: 'stop',
          end: random.pick(['entry', 'exit']),
          lasts: random.int(50, 5_000),
        };
      default:
        return { at, kind: 'drain', route, end: random.pick(['entry', 'exit']) };
    }
  });
}

const MIB = 1024 * 1024;
/** Bytes that all channels of a world write, at most, in each direction. */
const MOST = 6 * MIB;
/** How long the lanes would be busy with it at the least, ms. */
const DURATIONS = [500, 2_000, 6_000, 12_000];
