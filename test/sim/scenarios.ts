import type { SchedulerName } from '../../src/protocol/scheduler.ts';
import type { RouteParameters } from './lane-pair.ts';
import type { AppPlan, Fault, WorldPlan } from './plan.ts';

/** One row of the table: a world, when to measure it, and what it must reach. */
export interface Scenario {
  readonly name: string;
  readonly plan: WorldPlan;
  /** The time over which bulk is measured, ms. */
  readonly from: number;
  readonly until: number;
  /** Bytes that the lanes could carry in that time; null: what plain TCP carries on them. */
  readonly capacity: number | null;
  /** When the fault is over, ms; null: never, or there is none. */
  readonly over: number | null;
  readonly bars: Bars;
}

/** What a row must reach; what is absent is only shown. */
export interface Bars {
  /** Share of the capacity, at least. */
  readonly efficiency?: number;
  /** The same in the two seconds that begin one second after the fault is over. */
  readonly after?: number;
  /** ms, at most. */
  readonly gap?: number;
  /** 99 of 100 messages, ms, at most. */
  readonly p99?: number;
  /** Share of what was sent, at most. */
  readonly duplicates?: number;
  /** Lanes that an end may give up. */
  readonly lost?: number;
}

export function scenarios(): Scenario[] {
  return [
    ...[2, 4, 8, 16].map((count) => steady(`${count} equal lanes`, repeat(count, lane()), SHAPED)),
    steady('8/8/8/0.8 Mbit/s', [...repeat(3, lane()), lane({ rate: 100 })], {
      efficiency: 0.97,
      duplicates: 0.015,
    }),
    ...[10, 50, 100, 300].map((rtt) =>
      steady(`RTT ${rtt} ms, 4 lanes`, repeat(4, lane({ rtt })), {
        efficiency: 0.96,
        p99: rtt / 2 + 30,
        duplicates: 0.015,
      }),
    ),
    steady(
      'RTT 10/50/100/300 ms',
      [10, 50, 100, 300].map((rtt) => lane({ rtt })),
      {
        efficiency: 0.96,
        duplicates: 0.015,
      },
    ),
    steady(
      'rates 1:2:5:10, RTT 20..200 ms',
      [
        lane({ rate: 200, rtt: 200 }),
        lane({ rate: 400, rtt: 20 }),
        lane({ rate: 1_000, rtt: 100 }),
        lane({ rate: 2_000, rtt: 60 }),
      ],
      { efficiency: 0.95, duplicates: 0.015 },
    ),
    steady('4 lanes of 100 Mbit/s', repeat(4, lane({ rate: 12_500, rtt: 30 })), {
      efficiency: 0.98,
      p99: 45,
      duplicates: 0.015,
    }),
    bulkAlone('4 policed lanes, bulk alone', repeat(4, lane(POLICED)), 0.96),
    withMessages('4 policed lanes', repeat(4, lane(POLICED))),
    withMessages('4 policed lanes, RTT 10 ms', repeat(4, lane({ ...POLICED, rtt: 10 }))),
    bulkAlone('8 lanes, 1 % loss, RTT 80 ms', repeat(8, lane({ loss: 0.01, rtt: 80 })), 0.95),
    faulty('lane RST, 4 lanes', [{ kind: 'break', at: FAULT, ...BOTH }], {
      gap: 60 + RTT,
      after: 0.95,
    }),
    ...[300, 1_000, 5_000, 30_000].map((lasts) =>
      faulty(
        `stall ${lasts / 1_000} s, 4 lanes`,
        [{ kind: 'stall', at: FAULT, route: 0, lasts, direction: 'both' }],
        { gap: 250 + RTT, after: 0.95 },
        { lost: 1, lasts },
      ),
    ),
    faulty(
      'blackhole, 4 lanes',
      [{ kind: 'stall', at: FAULT, route: 0, lasts: FOR_GOOD, direction: 'both' }],
      { gap: 250 + RTT },
      { lost: 1, lasts: FOR_GOOD },
    ),
    faulty(
      'throttle 20x, 4 lanes',
      [{ kind: 'throttle', at: FAULT, route: 0, lasts: FOR_GOOD, factor: 0.05 }],
      { gap: 400 + RTT, efficiency: 0.93 },
      { lost: 0.95, lasts: FOR_GOOD },
    ),
    ...[5_000, 50_000].flatMap((lasts) =>
      [false, true].map((isSilent) =>
        faulty(
          `all lanes lost ${lasts / 1_000} s${isSilent ? ', no RST' : ''}`,
          [{ kind: 'outage', at: FAULT, lasts, isSilent }],
          { gap: lasts + 1_000, after: 0.95 },
          { lost: 4, lasts },
        ),
      ),
    ),
    ...(['entry', 'exit'] as const).flatMap((end) =>
      [1_000, 5_000].map((lasts) =>
        faulty(
          `${end} stopped ${lasts / 1_000} s`,
          [{ kind: 'stop', at: FAULT, end, lasts }],
          { duplicates: 0.01, lost: 0, gap: lasts + 2 * RTT + 100, after: 0.95 },
          { lost: 4, lasts },
        ),
      ),
    ),
    ...(['round-robin', 'until-congested'] as const).flatMap((scheduler) => [
      steady(`4 equal lanes, ${scheduler}`, repeat(4, lane()), {}, scheduler),
      steady(
        `8/8/8/0.8 Mbit/s, ${scheduler}`,
        [...repeat(3, lane()), lane({ rate: 100 })],
        {},
        scheduler,
      ),
      faulty(
        `stall 5 s, 4 lanes, ${scheduler}`,
        [{ kind: 'stall', at: FAULT, route: 0, lasts: 5_000, direction: 'both' }],
        {},
        { lost: 1, lasts: 5_000 },
        scheduler,
      ),
    ]),
  ];
}

interface LaneShape {
  /** Bytes per ms. */
  readonly rate?: number;
  readonly rtt?: number;
  /** Depth of the bucket, bytes. */
  readonly policer?: number;
  readonly loss?: number;
}

function lane(shape: LaneShape = {}): RouteParameters {
  const { rate = RATE, rtt = RTT, policer, loss } = shape;
  const link = {
    rate,
    delay: rtt / 2,
    buffer: 1024 * 1024,
    piece: Math.max(1_460, 2 * rate),
    ...(policer !== undefined && { policer: { depth: policer } }),
    ...(loss !== undefined && { loss }),
  };
  return { up: link, down: link };
}

function repeat<T>(count: number, item: T): T[] {
  return Array.from({ length: count }, () => item);
}

function steady(
  name: string,
  routes: RouteParameters[],
  bars: Bars,
  scheduler: SchedulerName = 'adaptive',
): Scenario {
  const slowest = Math.max(...routes.map(({ up, down }) => up.delay + down.delay));
  // Lanes are dialled, found out and filled by then.
  const from = 1_000 + 15 * slowest;
  const until = from + 6_000;
  return {
    name,
    plan: planned(routes, [], until, scheduler),
    from,
    until,
    capacity: totalRate(routes) * (until - from),
    over: null,
    bars,
  };
}

/** Bulk without messages beside it, against plain TCP. */
function bulkAlone(name: string, routes: RouteParameters[], efficiency: number): Scenario {
  const plan = planned(routes, [], BURSTY_UNTIL, 'adaptive');
  return {
    name,
    plan: { ...plan, channels: plan.channels.slice(0, 1) },
    from: BURSTY_FROM,
    until: BURSTY_UNTIL,
    capacity: null,
    over: null,
    bars: { efficiency, duplicates: 0.05 },
  };
}

/** The same with messages, which may cost bulk 12 %. */
function withMessages(name: string, routes: RouteParameters[]): Scenario {
  const rtt = Math.max(...routes.map(({ up, down }) => up.delay + down.delay));
  return {
    name,
    plan: planned(routes, [], BURSTY_UNTIL, 'adaptive'),
    from: BURSTY_FROM,
    until: BURSTY_UNTIL,
    capacity: null,
    over: null,
    bars: { efficiency: 0.96 * 0.88, p99: rtt / 2 + 30, duplicates: 0.05 },
  };
}

/** Four equal lanes, of which `gone.lost` carry nothing for `gone.lasts` ms. */
function faulty(
  name: string,
  faults: Fault[],
  bars: Bars,
  gone: { readonly lost: number; readonly lasts: number } = { lost: 0, lasts: 0 },
  scheduler: SchedulerName = 'adaptive',
): Scenario {
  const routes = repeat(4, lane());
  const isForGood = gone.lasts === FOR_GOOD;
  const from = 1_000;
  const until = FAULT + (isForGood ? 0 : gone.lasts) + 5_000;
  const lasts = isForGood ? until - FAULT : gone.lasts;
  return {
    name,
    plan: planned(routes, faults, until, scheduler),
    from,
    until,
    capacity: totalRate(routes) * (until - from) - gone.lost * RATE * lasts,
    over: isForGood ? null : FAULT + gone.lasts,
    bars: { duplicates: 0.05, ...bars },
  };
}

/** Bulk from the entry to the exit, and a message of 100 bytes each 100 ms beside it, until then. */
function planned(
  routes: RouteParameters[],
  faults: Fault[],
  until: number,
  scheduler: SchedulerName,
): WorldPlan {
  const bulk: AppPlan = {
    writes: { kind: 'bulk', bytes: Number.POSITIVE_INFINITY, chunk: 64 * 1024, until },
    reads: EAGER,
  };
  const messages: AppPlan = {
    writes: { kind: 'messages', size: 100, every: 100, count: Math.floor((until - OPENS) / 100) },
    reads: EAGER,
  };
  const sink: AppPlan = { writes: { kind: 'nothing', ends: 'last' }, reads: EAGER };
  const opening = { opensAt: OPENS, answersAfter: 1 };
  return {
    seed: 1,
    scheduler,
    routes,
    redialAfter: 200,
    channels: [
      { ...opening, entry: bulk, exit: sink },
      { ...opening, entry: messages, exit: sink },
    ],
    faults,
    sessionWindow: 64 * MIB,
    initialWindow: 256 * 1024,
    sendBudget: 128 * MIB,
    maxChannels: 1_024,
    usesSlabs: false,
    limit: until + 120_000,
  };
}

function totalRate(routes: readonly RouteParameters[]): number {
  return routes.reduce((sum, { up }) => sum + up.rate, 0);
}

const EAGER = { kind: 'eager' } as const;
const BOTH = { route: 0, seenBy: 'both', otherAfter: null } as const;
const MIB = 1024 * 1024;
/** Bytes per ms: 8 Mbit/s. */
const RATE = 1_000;
/** ms. */
const RTT = 40;
const OPENS = 200;
/** What bursty routes do is learned by then. */
const BURSTY_FROM = 5_000;
const BURSTY_UNTIL = 15_000;
const POLICED = { policer: 64 * 1024 };
const FAULT = 4_000;
const FOR_GOOD = 600_000;
const SHAPED: Bars = { efficiency: 0.98, p99: RTT / 2 + 30, duplicates: 0.015 };
