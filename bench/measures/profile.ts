import type { Contender } from '../contender.ts';
import { chainSubject, type Measure, stopwatch } from '../measure.ts';
import { Profiler } from '../profiler.ts';

/** Bulk of one connection, and what the proxies' time goes into: perf's shares of what /proc counts. */
export function profile(contenders: readonly Contender[], baseline: Contender): Measure {
  return {
    id: 'profile',
    title: 'Where the time goes: bulk over 1 connection, towards the target',
    note: 'Processor time of both proxies, ms per GB. Copies are those between kernel and program; threads are all but the main one: V8’s compiler and collector.',
    figures: [
      { key: 'cpu', title: 'CPU ms/GB', digits: 0 },
      { key: 'copies', title: 'copies', digits: 0 },
      { key: 'kernel', title: 'rest of the kernel', digits: 0 },
      { key: 'javascript', title: 'JavaScript', digits: 0 },
      { key: 'program', title: 'rest of the program', digits: 0 },
      { key: 'threads', title: 'threads', digits: 0 },
    ],
    baseline: baseline.name,
    subjects: contenders.map((contender) => ({
      ...chainSubject(contender, async (context, chain) => {
        const { window, cpu } = stopwatch(context, chain);
        let profiler: Profiler | null = null;
        const onBegin = (): void => {
          window.onBegin?.();
          const pids = chain.proxies.flatMap((proxy) => proxy.pids);
          profiler = new Profiler(context.lab, pids, context.duration);
        };
        const { bytes } = await context.load.bulk(chain.port, 'push', 1, { ...window, onBegin });
        const { user, kernel } = cpu();
        const shares = await profiler!.shares();
        const all = (1000 * (user + kernel)) / (bytes / 1e9);
        const spent = Object.entries(shares).map(([part, share]) => [part, share * all]);
        return { cpu: all, ...Object.fromEntries(spent) };
      }),
      needs: [...contender.needs, 'perf'],
    })),
  };
}
