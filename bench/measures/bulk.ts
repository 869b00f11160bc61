import type { Contender } from '../contender.ts';
import type { Way } from '../load.ts';
import { chainSubject, cpuPer, figures, type Measure, stopwatch } from '../measure.ts';

const ways: Record<Way, string> = {
  push: 'towards the target',
  pull: 'from the target',
  both: 'both ways at once, rates added',
};

export interface Bulk {
  readonly id: string;
  /** What carries it, for the title. */
  readonly through: string;
  readonly way: Way;
  readonly connections: number;
  readonly contenders: readonly Contender[];
  readonly baseline: Contender;
}

/** As many bytes as pass. */
export function bulk(options: Bulk): Measure {
  const { id, through, way, connections, contenders, baseline } = options;
  const count = connections === 1 ? '1 connection' : `${connections} connections`;
  return {
    id,
    title: `${through}: bulk over ${count}, ${ways[way]}`,
    note: '',
    figures: [figures.rate, figures.cpu, figures.kernel],
    baseline: baseline.name,
    subjects: contenders.map((contender) =>
      chainSubject(contender, async (context, chain) => {
        const { window, cpu } = stopwatch(context, chain);
        const result = await context.load.bulk(chain.port, way, connections, window);
        const used = cpu();
        const gigabytes = result.bytes / 1e9;
        return {
          rate: gigabytes / result.seconds,
          ...cpuPer(gigabytes, used, chain),
        };
      }),
    ),
  };
}
