import { type Chain, type Contender, startChain } from './contender.ts';
import type { Lab } from './lab.ts';
import type { Load, Window } from './load.ts';
import type { CpuTime } from './proc.ts';

/** Something that is measured, of several subjects side by side. */
export interface Measure {
  /** What `--only` knows it by. */
  readonly id: string;
  readonly title: string;
  /** What is done, for the reader of the table. */
  readonly note: string;
  readonly figures: readonly Figure[];
  readonly subjects: readonly Subject[];
  /** The name of the subject that the others are compared to. */
  readonly baseline: string;
  /** Each round has processes of its own, because what a process did before shows in the figures. */
  readonly isFreshEachRound?: boolean;
  readonly rounds?: number;
}

export interface Figure {
  readonly key: string;
  /** With its unit. */
  readonly title: string;
  readonly digits: number;
}

/** The figures of one round by their keys; null for what does not apply. */
export type Sample = Readonly<Record<string, number | null>>;

export interface Subject {
  readonly name: string;
  /** The programs that it needs, as commands. */
  readonly needs: readonly string[];
  readonly isJustInTime?: boolean;
  open(context: Context): Promise<void>;
  sample(context: Context): Promise<Sample>;
  close(context: Context): Promise<void>;
}

export interface Context {
  readonly lab: Lab;
  readonly load: Load;
  /** How long one sample counts, ms. */
  readonly duration: number;
}

/** What most measures do: start a chain of proxies and send something through it. */
export function chainSubject(
  contender: Contender,
  sample: (context: Context, chain: Chain) => Promise<Sample>,
): Subject {
  let chain: Chain = { port: 0, proxies: [] };
  return {
    name: contender.name,
    needs: contender.needs,
    isJustInTime: contender.isJustInTime ?? false,
    async open({ lab, load }) {
      chain = await startChain(contender, lab, load.target);
    },
    sample(context) {
      for (const proxy of chain.proxies) proxy.check();
      return sample(context, chain);
    },
    close: ({ lab }) => lab.stop(chain.proxies),
  };
}

/** Long enough for windows and buffers to fill, ms. */
const WARM = 250;

/** The window of a sample, and how much CPU time the proxies took in it. */
export function stopwatch(
  context: Context,
  chain: Chain,
  warm = WARM,
): { window: Window; cpu(): CpuTime } {
  const used = (): CpuTime => {
    const times = chain.proxies.map((proxy) => proxy.cpuTime);
    return {
      user: times.reduce((sum, { user }) => sum + user, 0),
      kernel: times.reduce((sum, { kernel }) => sum + kernel, 0),
    };
  };
  let before = { user: 0, kernel: 0 };
  const onBegin = () => {
    before = used();
  };
  return {
    window: { warm, counted: context.duration, onBegin },
    cpu() {
      const { user, kernel } = used();
      return { user: user - before.user, kernel: kernel - before.kernel };
    },
  };
}

/** CPU time per unit of work, by the keys of `figures.cpu` and `figures.kernel`; nothing without proxies. */
export function cpuPer(work: number, { user, kernel }: CpuTime, { proxies }: Chain): Sample {
  if (proxies.length === 0) return { cpu: null, kernel: null };
  return { cpu: (user + kernel) / work, kernel: kernel / work };
}

export const figures = {
  rate: { key: 'rate', title: 'GB/s', digits: 2 },
  cpu: { key: 'cpu', title: 'CPU s/GB', digits: 2 },
  kernel: { key: 'kernel', title: 'of it the kernel', digits: 2 },
  p50: { key: 'p50', title: 'p50, µs', digits: 0 },
  p99: { key: 'p99', title: 'p99, µs', digits: 0 },
  perSecond: { key: 'perSecond', title: 'per second', digits: 0 },
  cpuEach: { key: 'cpu', title: 'CPU µs each', digits: 0 },
  kernelEach: { key: 'kernel', title: 'of it the kernel', digits: 0 },
} as const satisfies Record<string, Figure>;
