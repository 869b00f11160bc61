import type { Contender } from '../contender.ts';
import { chainSubject, cpuPer, figures, type Measure, stopwatch } from '../measure.ts';

/** Bytes of a message that stands for a keystroke, a query, a small reply. */
const SMALL = 100;
const PINGERS = 100;

export interface Latency {
  readonly id: string;
  readonly through: string;
  readonly contenders: readonly Contender[];
  readonly baseline: Contender;
}

/** One small message at a time. */
export function ping({ id, through, contenders, baseline }: Latency): Measure {
  return {
    id,
    title: `${through}: ping-pong over 1 connection`,
    note: `${SMALL} bytes there and back, one message at a time.`,
    figures: [figures.p50, figures.p99, figures.cpuEach, figures.kernelEach],
    baseline: baseline.name,
    subjects: contenders.map((contender) =>
      chainSubject(contender, async (context, chain) => {
        const { window, cpu } = stopwatch(context, chain);
        const { p50, p99, count } = await context.load.ping(chain.port, SMALL, 1, window);
        const used = cpuPer(count / 1e6, cpu(), chain);
        return { p50: p50 * 1000, p99: p99 * 1000, ...used };
      }),
    ),
  };
}

/** Messages of several sizes, many connections at once. */
export function messages(
  sizes: readonly number[],
  { id, through, contenders, baseline }: Latency,
): Measure {
  return {
    id,
    title: `${through}: messages per second`,
    note: `${PINGERS} connections, each with one message there and back at a time; round trips per second, all connections together.`,
    figures: sizes.map((size) => ({ key: `${size}`, title: sizeName(size), digits: 0 })),
    baseline: baseline.name,
    subjects: contenders.map((contender) =>
      chainSubject(contender, async (context, chain) => {
        const sample: Record<string, number> = {};
        for (const size of sizes) {
          const { window } = stopwatch(context, chain);
          const part = { ...window, counted: context.duration / 2 };
          const { count, seconds } = await context.load.ping(chain.port, size, PINGERS, part);
          sample[`${size}`] = count / seconds;
        }
        return sample;
      }),
    ),
  };
}

/** Short connections. */
export function connections(
  atOnce: number,
  { id, through, contenders, baseline }: Latency,
): Measure {
  return {
    id,
    title: `${through}: new connections, ${atOnce} at a time`,
    note: 'Connect, one byte there, one byte back, close. p50 and p99 are the time from connecting to that byte.',
    figures: [figures.perSecond, figures.p50, figures.p99, figures.cpuEach, figures.kernelEach],
    baseline: baseline.name,
    subjects: contenders.map((contender) =>
      chainSubject(contender, async (context, chain) => {
        const { window, cpu } = stopwatch(context, chain);
        const { count, seconds, p50, p99 } = await context.load.dial(chain.port, atOnce, window);
        const used = cpuPer(count / 1e6, cpu(), chain);
        return { perSecond: count / seconds, p50: p50 * 1000, p99: p99 * 1000, ...used };
      }),
    ),
  };
}

function sizeName(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`;
}
