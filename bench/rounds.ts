import type { Context, Measure, Sample, Subject } from './measure.ts';
import type { Row } from './result.ts';

/**
 * How long code that is compiled while it runs gets to reach its speed, ms. What it is like until then is
 * measured by itself (`fresh` in catalogue.ts).
 */
export const COMPILING = 3_000;

/**
 * Measures the subjects in alternating rounds, A B C A B C, so that what disturbs the machine for a
 * while disturbs all of them. A subject that fails is out, and the others go on.
 */
export async function runRounds(
  measure: Measure,
  context: Context,
  rounds: number,
  onProgress: (done: string) => void,
): Promise<Row[]> {
  const runners = measure.subjects.map((subject) => new Runner(subject, context));
  try {
    if (measure.isFreshEachRound !== true) {
      for (const runner of runners) {
        onProgress(`${runner.name}: start`);
        await runner.open();
        await runner.warmUp();
      }
    }
    for (let round = 1; round <= rounds; round += 1) {
      for (const runner of runners) {
        onProgress(`round ${round} of ${rounds}: ${runner.name}`);
        if (measure.isFreshEachRound === true) await runner.open();
        await runner.sample();
        if (measure.isFreshEachRound === true) await runner.close();
      }
    }
  } finally {
    for (const runner of runners) await runner.close();
  }
  return joined(runners.map((runner) => runner.row(measure.figures.map(({ key }) => key))));
}

/** Rows of one name become one: they are processes of one contender, and every round of each counts. */
function joined(rows: readonly Row[]): Row[] {
  const names = [...new Set(rows.map(({ subject }) => subject))];
  return names.map((subject) => {
    const those = rows.filter((row) => row.subject === subject);
    const keys = Object.keys(those[0]!.values);
    return {
      subject,
      values: Object.fromEntries(
        keys.map((key) => [key, those.flatMap(({ values }) => values[key]!)]),
      ),
      failure: those.find(({ failure }) => failure !== null)?.failure ?? null,
    };
  });
}

/** One subject on its way through the rounds. */
class Runner {
  readonly #subject: Subject;
  readonly #context: Context;
  readonly #samples: Sample[] = [];
  #isOpen = false;
  #failure: string | null = null;

  constructor(subject: Subject, context: Context) {
    this.#subject = subject;
    this.#context = context;
  }

  get name(): string {
    return this.#subject.name;
  }

  async open(): Promise<void> {
    await this.#try(async () => {
      await this.#subject.open(this.#context);
      this.#isOpen = true;
    });
  }

  /** A round that does not count, so that buffers are grown and code is compiled. */
  async warmUp(): Promise<void> {
    const { duration } = this.#context;
    const longer = Math.max(duration, COMPILING);
    await this.#try(async () => {
      const isLonger = this.#subject.isJustInTime === true;
      await this.#subject.sample({ ...this.#context, duration: isLonger ? longer : duration });
    });
  }

  async sample(): Promise<void> {
    const before = this.#samples.length;
    await this.#try(async () => {
      this.#samples.push(await this.#subject.sample(this.#context));
    });
    // A place for every round keeps the rounds of all subjects side by side.
    if (this.#samples.length === before) this.#samples.push({});
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#subject.close(this.#context);
  }

  row(keys: readonly string[]): Row {
    // A round in which nothing arrived has no cost per byte.
    const valueIn = (sample: Sample, key: string) => {
      const value = sample[key] ?? null;
      return Number.isFinite(value) ? value : null;
    };
    const values = keys.map((key) => [key, this.#samples.map((sample) => valueIn(sample, key))]);
    return { subject: this.name, values: Object.fromEntries(values), failure: this.#failure };
  }

  async #try(action: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) return;
    try {
      await action();
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
    }
  }
}
