import type { Trial } from './trial.ts';

/** One case of the table: paths, what happens on them, and what must come out. */
export interface Scenario {
  /** What `--only` knows it by. */
  readonly id: string;
  readonly title: string;
  /** Paths as the emulator takes them. */
  readonly paths: readonly string[];
  readonly lanes: number;
  /** The lanes' caps together, Mbit/s with all headers. */
  readonly caps: number;
  /** Whether plain TCP connections run beside the lanes. */
  readonly withPlain?: boolean;
  /** Measured only when asked for by name. */
  readonly isSlow?: boolean;
  /** About what one run takes, s. */
  readonly seconds: number;
  readonly figures: readonly Figure[];
  run(trial: Trial): Promise<Sample>;
}

export interface Figure {
  readonly key: string;
  readonly title: string;
  readonly unit: '%' | 'ms' | 's';
  /** What the project holds itself to. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** The figures of one run by their keys. */
export type Sample = Readonly<Record<string, number>>;
