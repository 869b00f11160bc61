import { parseArgs } from 'node:util';
import { UsageError } from '../../src/core/usage-error.ts';

export interface Options {
  /** The folder of the emulator; null when none was named. */
  readonly lab: string | null;
  readonly runs: number;
  /** Beginnings of the names of the cases to measure; all but the slow ones when empty. */
  readonly only: readonly string[];
  readonly congestions: readonly string[];
  readonly write: boolean;
  readonly verbose: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

/** @throws {UsageError} */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parse(args);
  const runs = Number(values.runs ?? 5);
  if (!Number.isInteger(runs) || runs < 1) throw new UsageError('--runs takes a number from 1 on');
  return {
    lab: values.lab ?? process.env.TCP_STRIPER_LAB ?? null,
    runs,
    only: list(values.only ?? ''),
    congestions: list(values.cc ?? 'bbr,cubic'),
    write: values.write,
    verbose: values.verbose,
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
        lab: text,
        runs: text,
        only: text,
        cc: text,
        write: flag,
        verbose: flag,
        list: flag,
        help: { ...flag, short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

export const help = `usage: npm run paths -- --lab FOLDER [options]

Measures entry and exit across a packet-level emulator. Needs Linux and root.

  --lab FOLDER     where the emulator lies: its command is FOLDER/lab (or TCP_STRIPER_LAB)
  --only NAME,...  the cases of these names, or whose names begin so; also those that are left out
                   for their length
  --runs N         runs of each case (default 5); figures are medians
  --cc NAME,...    congestion controls of the kernel (default bbr,cubic)
  --write          write docs/paths.md; cases that are not measured now keep their last figures
  --verbose        show every run
  --list           name the cases`;
