import type { Figure, Sample, Scenario } from './scenario.ts';
import { span, type Trial } from './trial.ts';

/** Paths that stay as they are, and what of their caps is used. */
export function steadyScenarios(): Scenario[] {
  return [
    ...[2, 4, 8, 16].map((lanes) =>
      steady({
        id: `equal-${lanes}`,
        title: `${lanes} lanes of 8 Mbit/s, RTT 40 ms`,
        paths: ['w:rtt=40,flowrate=8'],
        lanes,
        caps: 8 * lanes,
        efficiency: 98,
        rtt: 40,
      }),
    ),
    steady({
      id: 'one-slow',
      title: 'lanes of 8, 8, 8 and 0.8 Mbit/s, RTT 40 ms',
      paths: [8, 8, 8, 0.8].map((rate, index) => `w${index}:rtt=40,flowrate=${rate}`),
      caps: 24.8,
      efficiency: 97,
    }),
    steady({
      id: 'mixed-rtt',
      title: '4 lanes of 8 Mbit/s, RTT 10, 50, 100, 300 ms',
      paths: [10, 50, 100, 300].map((rtt, index) => `w${index}:rtt=${rtt},flowrate=8`),
      caps: 32,
      efficiency: 96,
      // Cubic alone takes that long at 300 ms.
      warm: 10_000,
    }),
    steady({
      id: 'mixed-rates',
      title: 'lanes of 1.6, 3.2, 8 and 16 Mbit/s, RTT 200, 20, 100, 60 ms',
      paths: [
        'w0:rtt=200,flowrate=1.6',
        'w1:rtt=20,flowrate=3.2',
        'w2:rtt=100,flowrate=8',
        'w3:rtt=60,flowrate=16',
      ],
      caps: 28.8,
      efficiency: 95,
      warm: 4_000,
    }),
    {
      id: 'policed',
      title: '4 lanes policed at 8 Mbit/s with bursts of 64 KiB, RTT 40 ms',
      paths: ['w:rtt=40,flowrate=8,flowmode=police,flowburst=64k'],
      lanes: 4,
      caps: 32,
      withPlain: true,
      seconds: 28,
      figures: [
        { key: 'plain', title: 'of 4 plain TCP connections beside them', unit: '%', atLeast: 96 },
        { key: 'p99', title: 'message p99', unit: 'ms', atMost: 50 },
        { key: 'cost', title: 'bulk that messages cost', unit: '%', atMost: 12 },
        { key: 'plainCaps', title: 'plain TCP, of the caps', unit: '%' },
        DUPLICATES,
      ],
      run: policed,
    },
    {
      id: 'loss',
      title: '8 lanes of 8 Mbit/s, 1 % random loss, RTT 80 ms',
      paths: ['w:rtt=80,flowrate=8,loss=1'],
      lanes: 8,
      caps: 64,
      withPlain: true,
      seconds: 16,
      figures: [
        { key: 'plain', title: 'of 8 plain TCP connections beside them', unit: '%', atLeast: 95 },
        { key: 'plainCaps', title: 'plain TCP, of the caps', unit: '%' },
        DUPLICATES,
      ],
      run: lossy,
    },
  ];
}

interface Steady {
  readonly id: string;
  readonly title: string;
  readonly paths: readonly string[];
  /** Default: one a path. */
  readonly lanes?: number;
  readonly caps: number;
  /** Percent of the caps, at least. */
  readonly efficiency: number;
  /** Of all paths: then messages are judged, ms. */
  readonly rtt?: number;
  readonly warm?: number;
}

function steady(plan: Steady): Scenario {
  const { efficiency, rtt, warm = 2_000, lanes = plan.paths.length } = plan;
  const tail: Figure = { key: 'p99', title: 'message p99', unit: 'ms' };
  return {
    ...plan,
    lanes,
    seconds: (warm + COUNTED) / 1_000 + 2,
    figures: [
      { key: 'efficiency', title: 'of the caps', unit: '%', atLeast: efficiency },
      rtt === undefined ? tail : { ...tail, atMost: rtt / 2 + 30 },
      { ...DUPLICATES, atMost: 1.5 },
    ],
    async run(trial) {
      await trial.startMessages();
      await span(warm);
      const from = performance.now();
      const p99 = await trial.messageTail(COUNTED);
      const rate = trial.rate({ from, until: performance.now() });
      const duplicates = 100 * (await trial.duplicates());
      return { efficiency: (100 * rate) / trial.capacity, p99, duplicates };
    },
  };
}

async function policed(trial: Trial): Promise<Sample> {
  await trial.startPlain();
  await span(3_000);
  const alone = await span(10_000);
  await trial.startMessages();
  await span(2_000);
  const from = performance.now();
  const p99 = await trial.messageTail(10_000);
  const beside = { from, until: performance.now() };
  const duplicates = 100 * (await trial.duplicates());
  return {
    plain: (100 * trial.rate(alone)) / trial.plainRate(alone),
    p99,
    cost: 100 * (1 - trial.rate(beside) / trial.rate(alone)),
    plainCaps: (100 * trial.plainRate(alone)) / trial.capacity,
    duplicates,
  };
}

async function lossy(trial: Trial): Promise<Sample> {
  await trial.startPlain();
  await span(3_000);
  const counted = await span(10_000);
  const duplicates = 100 * (await trial.duplicates());
  return {
    plain: (100 * trial.rate(counted)) / trial.plainRate(counted),
    plainCaps: (100 * trial.plainRate(counted)) / trial.capacity,
    duplicates,
  };
}

const DUPLICATES: Figure = {
  key: 'duplicates',
  title: 'bytes that came twice',
  unit: '%',
  atMost: 5,
};
/** ms. */
const COUNTED = 6_000;
