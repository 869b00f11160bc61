import type { Chain, Contender } from '../contender.ts';
import type { Window } from '../load.ts';
import { type Context, chainSubject, type Figure, type Measure, stopwatch } from '../measure.ts';
import { type Part, Profiler } from '../profiler.ts';

/** What the proxies do while perf looks on. */
interface Work {
  readonly id: string;
  readonly title: string;
  /** What their time is told in, as in `ms per GB`. */
  readonly unit: string;
  /** How many ms, or what it is, make a second. */
  readonly perSecond: number;
  readonly parts: readonly Part[];
  /** @returns how many GB, or what it is, were done */
  run(context: Context, port: number, window: Window): Promise<number>;
}

const titles: Record<Part, string> = {
  copies: 'copies',
  kernel: 'rest of the kernel',
  cipher: 'cipher',
  javascript: 'JavaScript',
  program: 'rest of the program',
  threads: 'threads',
};

const plain: readonly Part[] = ['copies', 'kernel', 'javascript', 'program', 'threads'];
const encrypted: readonly Part[] = [
  'copies',
  'kernel',
  'cipher',
  'javascript',
  'program',
  'threads',
];

const explanation =
  'Copies are those between kernel and program; threads are all but the main one: V8’s compiler and collector.';

const bulk = {
  unit: 'ms per GB',
  perSecond: 1000,
  async run({ load }, port, window) {
    const { bytes } = await load.bulk(port, 'push', 1, window);
    return bytes / 1e9;
  },
} satisfies Partial<Work>;

/** Bulk of one connection. */
export function profile(contenders: readonly Contender[], baseline: Contender): Measure {
  const title = 'bulk over 1 connection, towards the target';
  return profileOf({ ...bulk, id: 'profile', title, parts: plain }, contenders, baseline);
}

/** The same through TLS. */
export function profileTls(contenders: readonly Contender[], baseline: Contender): Measure {
  const title = 'bulk over 1 connection through TLS, towards the target';
  return profileOf({ ...bulk, id: 'profile-tls', title, parts: encrypted }, contenders, baseline);
}

/** Short connections, so many at a time. */
export function profileConnections(
  atOnce: number,
  contenders: readonly Contender[],
  baseline: Contender,
): Measure {
  const work: Work = {
    id: 'profile-connections',
    title: `new connections, ${atOnce} at a time`,
    unit: 'µs per connection',
    perSecond: 1e6,
    parts: plain,
    async run({ load }, port, window) {
      const { count } = await load.dial(port, atOnce, window);
      return count;
    },
  };
  return profileOf(work, contenders, baseline);
}

/** What the proxies' time goes into: perf's shares of what /proc counts. */
function profileOf(work: Work, contenders: readonly Contender[], baseline: Contender): Measure {
  const { id, title, unit, parts } = work;
  const all: Figure = { key: 'cpu', title: `CPU, ${unit}`, digits: 0 };
  return {
    id,
    title: `Where the time goes: ${title}`,
    note: `Processor time of both proxies, ${unit}. ${explanation}`,
    figures: [all, ...parts.map((part) => ({ key: part, title: titles[part], digits: 0 }))],
    baseline: baseline.name,
    subjects: contenders.map((contender) => ({
      ...chainSubject(contender, (context, chain) => sample(work, context, chain)),
      needs: [...contender.needs, 'perf'],
    })),
  };
}

async function sample(work: Work, context: Context, chain: Chain) {
  const { window, cpu } = stopwatch(context, chain);
  let profiler: Profiler | null = null;
  const onBegin = (): void => {
    window.onBegin?.();
    const pids = chain.proxies.flatMap((proxy) => proxy.pids);
    profiler = new Profiler(context.lab, pids, context.duration);
  };
  const done = await work.run(context, chain.port, { ...window, onBegin });
  const { user, kernel } = cpu();
  const shares = await profiler!.shares();
  const all = (work.perSecond * (user + kernel)) / done;
  const spent = Object.entries(shares).map(([part, share]) => [part, share * all]);
  return { cpu: all, ...Object.fromEntries(spent) };
}
