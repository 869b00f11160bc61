import type { Figure } from './measure.ts';

/** What was measured, with every round's figures: what `benchmarks.json` holds. */
export interface RunResult {
  readonly machine: Machine;
  /** The kernel's congestion control in this run, and whether the machine uses it by default. */
  readonly congestion: string;
  readonly isDefault: boolean;
  readonly measures: readonly MeasureResult[];
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  /** Versions of what we are compared to, by command. */
  readonly peers: Readonly<Record<string, string>>;
}

/** Where runs may be compared: the kind of processor and the release of Node. */
export function platformOf({ machine: { processor, node } }: RunResult): string {
  return `${processor}, Node ${/\d+/.exec(node)?.[0] ?? node}`;
}

export interface MeasureResult {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly baseline: string;
  readonly figures: readonly Figure[];
  readonly rows: readonly Row[];
  readonly rounds: number;
  /** Seconds that one sample counted. */
  readonly seconds: number;
  /** Seconds that what is compiled while it runs had before the first round. */
  readonly warmUp: number;
  /** The source and sink: the program in C, or its stand-in. */
  readonly load: 'c' | 'node';
  /** Of this project. */
  readonly version: string;
  readonly date: string;
}

export interface Row {
  readonly subject: string;
  /** One value a round, by the figure's key; null where there is none. */
  readonly values: Readonly<Record<string, readonly (number | null)[]>>;
  /** Why there are none, or fewer. */
  readonly failure: string | null;
}

export function findMeasure(run: RunResult, id: string): MeasureResult | undefined {
  return run.measures.find((measure) => measure.id === id);
}

export function valuesOf(
  measure: MeasureResult,
  subject: string,
  figure: string,
): readonly (number | null)[] {
  return measure.rows.find((row) => row.subject === subject)?.values[figure] ?? [];
}
