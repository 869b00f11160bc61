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
          figures: [gap(250 + RTT), BACK],
        }),
      ),
    ),
    throttled(),
    ...[5, 50].flatMap((seconds) => [
      outage(seconds, 'no packet passes', (trial) => blackholeAll(trial, seconds)),
      outage(seconds, 'RST first', async (trial) => {
        await trial.emulator.tell('kill', '*', 'both');
        await blackholeAll(trial, seconds);
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

/** A scenario whose gap is judged. */
function fault({ id, title, lasts, figures, strike }: Fault): Scenario {
  return {
    ...four(id, title, lasts),
    figures: [...figures, DUPLICATES],
    async run(trial) {
      await span(WARM);
      const from = performance.now();
      await strike(trial);
      await span(lasts + 1_000);
      const back = await useOf(trial, 1);
      const longest = trial.bulk.longestGap(from, performance.now());
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
      BACK,
      DUPLICATES,
    ],
    async run(trial) {
      await span(WARM);
      await strike(trial);
      const returned = performance.now() + lasts;
      await span(lasts + 1_000);
      const back = await useOf(trial, LANES);
      await span(1_000);
      const first = trial.bulk.firstAfter(returned) ?? Number.POSITIVE_INFINITY;
      const duplicates = 100 * (await trial.duplicates());
      return { resumed: first - returned, back, duplicates };
    },
  };
}

function four(id: string, title: string, lasts: number) {
  return {
    id,
    title,
    paths: PATHS.map((path) => `${path}:rtt=${RTT},flowrate=${RATE}`),
    lanes: LANES,
    caps: LANES * RATE,
    seconds: (WARM + lasts + AFTER) / 1_000 + 2,
    isSlow: lasts > 10_000,
  };
}

async function blackholeAll({ emulator }: Trial, seconds: number): Promise<void> {
  await Promise.all(PATHS.map((path) => emulator.tell('blackhole', path, `${seconds}`)));
}

/** How much of the caps of the first `paths` paths is used, with all headers, in the next second: %. */
async function useOf({ emulator }: Trial, paths: number): Promise<number> {
  const sum = (bytes: readonly number[]) => bytes.slice(0, paths).reduce((a, b) => a + b, 0);
  const before = sum(await emulator.carried());
  const { from, until } = await span(1_000);
  const carried = sum(await emulator.carried()) - before;
  return (100 * carried * 8) / (1_000 * (until - from) * paths * RATE);
}

function gap(atMost: number): Figure {
  return { key: 'gap', title: 'longest gap', unit: 'ms', atMost };
}

const BACK: Figure = {
  key: 'back',
  title: 'use of what was lost, in the second that begins 1 s after its return',
  unit: '%',
  atLeast: 95,
};
const DUPLICATES: Figure = {
  key: 'duplicates',
  title: 'bytes that came twice',
  unit: '%',
  atMost: 5,
};
/** Mbit/s and ms. */
const RATE = 8;
const RTT = 40;
/** Of a cap before it drops, bytes: the emulator's 50 ms at the rate. */
const QUEUE = 50_000;
const LANES = 4;
const PATHS = ['w0', 'w1', 'w2', 'w3'];
/** ms before the fault, and watched after its end. */
const WARM = 2_000;
const AFTER = 2_500;
