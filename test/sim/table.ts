import { type Figures, measure } from './measure.ts';
import { type Bars, type Scenario, scenarios } from './scenarios.ts';

/** The table of docs/simulation.md, in Markdown. */
export function renderTable(onRow: (row: string) => void = () => {}): string {
  const rows = [...HEAD];
  for (const scenario of scenarios()) {
    const row = renderRow(scenario, measure(scenario));
    rows.push(row);
    onRow(row);
  }
  return rows.join('\n');
}

/** The bars that the figures miss, by name. */
export function missedBars(bars: Bars, figures: Figures): string[] {
  const missed: string[] = [];
  if (bars.efficiency !== undefined && figures.efficiency < bars.efficiency) {
    missed.push('efficiency');
  }
  if (bars.gap !== undefined && figures.gap > bars.gap) missed.push('gap');
  if (bars.p99 !== undefined && figures.p99 > bars.p99) missed.push('p99');
  if (bars.lost !== undefined && figures.lost > bars.lost) missed.push('lanes lost');
  if (bars.duplicates !== undefined && figures.duplicates > bars.duplicates) {
    missed.push('duplicates');
  }
  return missed;
}

export function renderRow({ name, bars }: Scenario, figures: Figures): string {
  const missed = missedBars(bars, figures);
  const cells = [
    name,
    cell(percent(figures.efficiency), bars.efficiency, percent, '>='),
    cell(ms(figures.gap), bars.gap, ms, '<='),
    ms(figures.p50),
    cell(ms(figures.p99), bars.p99, ms, '<='),
    cell(percent(figures.duplicates, 2), bars.duplicates, percent, '<='),
    kib(figures.reorderPeak),
    cell(String(figures.lost), bars.lost, String, '<='),
    missed.length === 0 ? '' : `misses ${missed.join(', ')}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function cell(
  figure: string,
  bar: number | undefined,
  show: (bar: number) => string,
  sign: string,
): string {
  return bar === undefined ? figure : `${figure} (${sign} ${show(bar)})`;
}

function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`;
}

function ms(time: number): string {
  return time.toFixed(0);
}

function kib(bytes: number): string {
  return (bytes / 1024).toFixed(0);
}

const HEAD = [
  '| scenario | efficiency | gap ms | p50 ms | p99 ms | duplicates | reorder KiB | lanes given up | |',
  '|---|--:|--:|--:|--:|--:|--:|--:|---|',
];
