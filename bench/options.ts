import { parseArgs } from 'node:util';
import { UsageError } from '../src/core/usage-error.ts';

export interface Options {
  readonly isQuick: boolean;
  /** Beginnings of the names of the measures to run; all when empty. */
  readonly only: readonly string[];
  readonly rounds: number;
  /** Of one sample. */
  readonly seconds: number;
  readonly congestion: string | null;
  readonly write: boolean;
  readonly withAggTunnel: boolean;
  readonly connections: number;
  /** A folder with another build to compare this one to, instead of the peers. */
  readonly against: string | null;
  /** Of each build. */
  readonly processes: number;
  readonly list: boolean;
  readonly help: boolean;
}

/** @throws {UsageError} */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parse(args);
  const isQuick = values.quick;
  if (values.write && values.against !== undefined)
    throw new UsageError('--write publishes comparisons to other programs, not --against');
  return {
    isQuick,
    only: values.only === undefined ? [] : values.only.split(',').map((name) => name.trim()),
    rounds: number('--rounds', values.rounds, isQuick ? 3 : 5, 1, 1000),
    seconds: number('--seconds', values.seconds, isQuick ? 0.6 : 2, 0.1, 600),
    congestion: values.cc ?? null,
    write: values.write,
    withAggTunnel: values['with-agg-tunnel'],
    connections: number('--connections', values.connections, 1000, 1000, 20_000),
    against: values.against ?? null,
    processes: number('--processes', values.processes, 4, 1, 16),
    list: values.list,
    help: values.help,
  };
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: flag,
        only: text,
        rounds: text,
        seconds: text,
        cc: text,
        write: flag,
        'with-agg-tunnel': flag,
        connections: text,
        against: text,
        processes: text,
        list: flag,
        help: { ...flag, short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function number(
  name: string,
  text: string | undefined,
  otherwise: number,
  least: number,
  most: number,
): number {
  const value = text === undefined ? otherwise : Number(text);
  if (value >= least && value <= most) return value;
  throw new UsageError(`${name} takes a number from ${least} to ${most}, not '${text}'`);
}

export const help = `usage: npm run bench -- [options]

  --quick              fewer measures and contenders, shorter rounds: two or three minutes
  --only NAME,...      the measures of these names, or whose names begin so
  --rounds N           rounds of each measure (default 5; quick 3)
  --seconds S          how long a sample counts (default 2; quick 0.6)
  --cc NAME            under this congestion control, in a network namespace of its own
  --connections N      also measure the memory of N idle connections, up to 20000
  --with-agg-tunnel    compare to aggligator's agg-tunnel too; builds it with cargo
  --against FOLDER     compare this build to the one in another checkout, instead of to other programs
  --processes N        with --against: processes of each build, by turns (default 4)
  --write              write docs/benchmarks.md and docs/benchmarks.json
  --list               name the measures`;
