import type { Figure, Scenario } from './scenario.ts';
import { payloadRate, type Span, span, type Trial } from './trial.ts';

/** Four lanes of 8 Mbit/s on a path each, RTT 40 ms, and what may happen to them. */
export function faultScenarios(): Scenario[] {
  return [
    fault({
      id: 'reset',
      title: 'a lane is reset',
      lasts: 0,
      strike: ({ emulator }) => emulator.tell('kill', 'w0', 'both'),
      figures: [gap(60 + RTT)],
    }),
    ...[0.3, 1, 5, 30].flatMap((seconds) =>
      (['stall', 'blackhole'] as const).map((kind) =>
        fault({
          id: `${kind}-${seconds}`,
          title: `a lane's path ${kind === 'stall' ? 'holds' : 'drops'} all packets for ${seconds} s`,
          lasts: seconds * 1_000,
          strike: ({ emulator }) => emulator.tell(kind, 'w0', `${seconds}`),
          figures: [gap(250 + RTT), { ...BACK, atMost: 1_000 }],
        }),
      ),
    ),
    throttled(),
    ...[5, 50].flatMap((seconds) => [
      outage(seconds, 'no packet passes', async ({ emulator }) => {
        await blackholeAll(emulator.tell.bind(emulator), seconds);
      }),
      outage(seconds, 'RST first', async ({ emulator }) => {
        await emulator.tell('kill', '*', 'both');
        await blackholeAll(emulator.tell.bind(emulator), seconds);
      }),
    ]),
  ];
}

interface Fault {
  readonly id: string;
  readonly title: string;
  /** ms. */
  readonly lasts: number;
  readonly figures: readonly Figure[];
  strike(trial: Trial): Promise<unknown>;
}

function fault({ id, title, lasts, figures, strike }: Fault): Scenario {
  return {
    ...four(id, title, lasts),
    figures: [...figures, DUPLICATES],
    async run(trial) {
      await span(WARM);
      const from = performance.now();
      await strike(trial);
      const struck = performance.now();
      await span(lasts + AFTER);
      const longest = trial.bulk.longestGap(from, performance.now());
      const back = timeToFull(trial, struck + lasts, performance.now());
      const duplicates = 100 * (await trial.duplicates());
      return { gap: longest, back, duplicates };
    },
  };
}

function throttled(): Scenario {
  const left = payloadRate(3 * RATE + RATE / 20);
  return {
    ...four('throttle', 'a lane is throttled twentyfold', 0),
    figures: [
      gap(400 + RTT),
      { key: 'efficiency', title: 'of what is left, from then on', unit: '%', atLeast: 93 },
      DUPLICATES,
    ],
    async run(trial) {
      await span(WARM);
      const from = performance.now();
      // The queue keeps its size in bytes.
      await trial.emulator.tell('set', 'w0', `flowrate=${RATE / 20}`, `flowbuf=${QUEUE}`);
      await span(5_000);
      const after: Span = { from, until: performance.now() };
      const efficiency = (100 * trial.rate(after)) / left;
      const duplicates = 100 * (await trial.duplicates());
      return { gap: trial.bulk.longestGap(after.from, after.until), efficiency, duplicates };
    },
  };
}

function outage(seconds: number, how: string, strike: (trial: Trial) => Promise<void>): Scenario {
  const lasts = seconds * 1_000;
  const id = `outage-${seconds}${how === 'RST first' ? '-reset' : ''}`;
  return {
    ...four(id, `all lanes are lost for ${seconds} s: ${how}`, lasts),
    figures: [
      {
        key: 'resumed',
        title: 'until bytes came again after the return',
        unit: 'ms',
        atMost: 1_000,
      },
      { ...BACK },
      DUPLICATES,
    ],
    async run(trial) {
      await span(WARM);
      await strike(trial);
      const back = performance.now() + lasts;
      await span(lasts + 2 * AFTER);
      const first = trial.bulk.firstAfter(back) ?? Number.POSITIVE_INFINITY;
      const full = timeToFull(trial, back, performance.now());
      const duplicates = 100 * (await trial.duplicates());
      return { resumed: first - back, back: full, duplicates };
    },
  };
}

function four(id: string, title: string, lasts: number) {
  return {
    id,
    title,
    paths: [0, 1, 2, 3].map((index) => `w${index}:rtt=${RTT},flowrate=${RATE}`),
    lanes: 4,
    caps: 4 * RATE,
    seconds: (WARM + lasts + AFTER) / 1_000 + 2,
    isSlow: lasts > 10_000,
  };
}

async function blackholeAll(
  tell: (...order: string[]) => Promise<string>,
  seconds: number,
): Promise<void> {
  await Promise.all([0, 1, 2, 3].map((index) => tell('blackhole', `w${index}`, `${seconds}`)));
}

/** How long after `since` half a second began in which the caps were used in full, ms. */
function timeToFull({ bulk, capacity }: Trial, since: number, until: number): number {
  const SPAN = 500;
  for (let from = since; from + SPAN <= until; from += 10) {
    if (bulk.rate(from, from + SPAN) >= FULL * capacity) return from - since;
  }
  return Number.POSITIVE_INFINITY;
}

function gap(atMost: number): Figure {
  return { key: 'gap', title: 'longest gap', unit: 'ms', atMost };
}

const BACK: Figure = { key: 'back', title: 'until full use after the return', unit: 'ms' };
const DUPLICATES: Figure = {
  key: 'duplicates',
  title: 'bytes that came twice',
  unit: '%',
  atMost: 5,
};
/** What counts as full use. */
const FULL = 0.96;
/** Mbit/s and ms. */
const RATE = 8;
const RTT = 40;
/** Of a cap before it drops, bytes: the emulator's 50 ms at the rate. */
const QUEUE = 50_000;
/** ms before the fault, and watched after its end. */
const WARM = 1_500;
const AFTER = 2_500;
