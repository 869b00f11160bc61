import { barsFor, find, isMet } from '../bars.ts';
import type { MeasureResult, RunResult } from '../result.ts';
import { ratio, spread } from '../statistics.ts';

/** Cells, ready to be laid out as text or as Markdown. The first column is for names. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** For each figure its median, the least and most of the rounds, and how many times the baseline's. */
export function measureTable(measure: MeasureResult): Table {
  const { figures, rows, baseline } = measure;
  const base = rows.find(({ subject }) => subject === baseline);
  const header = ['', ...figures.flatMap(({ title }) => [title, 'min–max', '×'])];
  return {
    header,
    rows: rows.map(({ subject, values }) => {
      const cells = figures.flatMap(({ key, digits }) => {
        const found = spread(values[key] ?? []);
        if (found === null) return ['–', '', ''];
        const times = ratio(values[key] ?? [], base?.values[key] ?? []);
        return [
          decimal(found.median, digits),
          `${decimal(found.least, digits)}–${decimal(found.most, digits)}`,
          times === null ? '' : decimal(times, times < 10 ? 2 : 0),
        ];
      });
      return [subject, ...cells];
    }),
  };
}

/** A sentence for each subject that did not come through. */
export function failures({ rows }: MeasureResult): string[] {
  return rows.flatMap(({ subject, failure }) =>
    failure === null ? [] : [`${subject} failed: ${failure}.`],
  );
}

/** The bars, judged in the run under the machine's own congestion control, shown for all runs. */
export function barTable(runs: readonly RunResult[]): Table {
  const [first] = runs;
  const header = ['', 'bar', ...runs.map(({ congestion }) => congestion), ''];
  if (first === undefined) return { header, rows: [] };
  return {
    header,
    rows: barsFor(first).map((bar) => {
      const { claim, unit, atLeast, atMost } = bar;
      const digits = unit === '×' ? 2 : 0;
      const limit = atLeast ?? atMost;
      const sense = atLeast === undefined ? '≤' : '≥';
      const findings = runs.map((run) => ({ run, finding: find(bar, run) }));
      const judged = findings.find(({ run }) => run.isDefault)?.finding ?? null;
      return [
        claim,
        limit === undefined ? 'reported' : `${sense} ${decimal(limit, digits)}${unit}`,
        ...findings.map(({ finding }) => {
          if (finding === null) return '–';
          const rival = finding.rival === null ? '' : ` (${finding.rival})`;
          return `${decimal(finding.value, digits)}${unit}${rival}`;
        }),
        limit === undefined || judged === null ? '' : isMet(bar, judged) ? 'met' : 'missed',
      ];
    }),
  };
}

function decimal(value: number, digits: number): string {
  return value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
