import type { Contender } from '../contender.ts';
import { chainSubject, cpuPer, figures, type Measure, stopwatch } from '../measure.ts';

const CONNECTIONS = 1000;
/** So many take longer to get going, ms. */
const WARM = 1_000;

/** Everybody at once: what counts is the sum, the memory that it takes, and that nobody starves. */
export function many(contenders: readonly Contender[], baseline: Contender): Measure {
  return {
    id: 'many',
    title: `${CONNECTIONS.toLocaleString('en')} connections pushing at once`,
    note: 'RSS is the peak since the start, of both proxies together and of the larger one. Fairness is Jain’s index over the connections: 1 when all got the same, near 0 when one got everything.',
    figures: [
      figures.rate,
      figures.cpu,
      figures.kernel,
      { key: 'rss', title: 'RSS, MiB', digits: 0 },
      { key: 'larger', title: 'RSS of the larger, MiB', digits: 0 },
      { key: 'fairness', title: 'fairness', digits: 2 },
    ],
    baseline: baseline.name,
    subjects: contenders.map((contender) =>
      chainSubject(contender, async (context, chain) => {
        const { window, cpu } = stopwatch(context, chain, WARM);
        const result = await context.load.bulk(chain.port, 'push', CONNECTIONS, window);
        const used = cpu();
        const peaks = chain.proxies.map((proxy) => proxy.peakResidentBytes / 2 ** 20);
        const gigabytes = result.bytes / 1e9;
        return {
          rate: gigabytes / result.seconds,
          ...cpuPer(gigabytes, used, chain),
          rss: peaks.reduce((sum, peak) => sum + peak, 0),
          larger: Math.max(...peaks),
          fairness: context.load.kind === 'c' ? result.fairness : null,
        };
      }),
    ),
  };
}
