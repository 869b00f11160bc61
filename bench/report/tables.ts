import { type Bar, barsFor, type Finding, find, findFloor, isMet } from '../bars.ts';
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
          times === null ? '' : decimal(times.median, times.median < 10 ? 2 : 0),
        ];
      });
      return [subject, ...cells];
    }),
  };
}

/** One line a figure, of two subjects: both medians, and how sure the ratio is. */
export function versusTable({ figures, rows, baseline }: MeasureResult): Table {
  const base = rows.find(({ subject }) => subject === baseline);
  const other = rows.find((row) => row !== base);
  const header = ['', base?.subject ?? '', other?.subject ?? '', '×', '±'];
  const middle = (values: readonly (number | null)[], digits: number): string => {
    const found = spread(values);
    return found === null ? '–' : decimal(found.median, digits);
  };
  return {
    header,
    rows: figures.map(({ key, title, digits }) => {
      const [before, after] = [base?.values[key] ?? [], other?.values[key] ?? []];
      const times = ratio(after, before);
      const sure = times === null ? [] : [times.median, times.error];
      return [
        title,
        middle(before, digits),
        middle(after, digits),
        // One pair alone tells nothing of the error.
        ...sure.map((x) => (Number.isNaN(x) ? '–' : decimal(x, 3))),
      ];
    }),
  };
}

/** A sentence for each subject that did not come through. */
export function failures({ rows }: MeasureResult): string[] {
  return rows.flatMap(({ subject, failure }) =>
    failure === null ? [] : [`${subject} failed: ${failure}.`],
  );
}

/**
 * The bars, judged in the run under the machine's own congestion control, shown for all runs. The
 * last figures are those of the best that do less, in Node and in C.
 */
export function barTable(runs: readonly RunResult[]): Table {
  const [first] = runs;
  const names = runs.map(({ congestion }) => congestion);
  const header = ['', 'bar', ...names, '', 'floor in Node', 'floor in C'];
  const bars = first === undefined ? [] : barsFor(first);
  return { header, rows: bars.map((bar) => barRow(bar, runs)) };
}

function barRow(bar: Bar, runs: readonly RunResult[]): string[] {
  const digits = bar.unit === '×' ? 2 : 0;
  const limit = bar.atLeast ?? bar.atMost;
  const sense = bar.atLeast === undefined ? '≤' : '≥';
  const cell = (finding: Finding | null): string => {
    if (finding === null) return '–';
    const { value, rival } = finding;
    return `${decimal(value, digits)}${bar.unit}${rival === null ? '' : ` (${rival})`}`;
  };
  const judge = runs.find(({ isDefault }) => isDefault);
  const floor = (language: 'node' | 'c'): string => {
    const hasSome = bar.floors !== undefined && bar.floors[language].length > 0;
    return judge === undefined || !hasSome ? '' : cell(findFloor(bar, language, judge));
  };
  const judged = judge === undefined ? null : find(bar, judge);
  const verdict = judged !== null && isMet(bar, judged) ? 'met' : 'missed';
  return [
    bar.claim,
    limit === undefined ? 'reported' : `${sense} ${decimal(limit, digits)}${bar.unit}`,
    ...runs.map((run) => cell(find(bar, run))),
    limit === undefined || judged === null ? '' : verdict,
    floor('node'),
    floor('c'),
  ];
}

function decimal(value: number, digits: number): string {
  return value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
