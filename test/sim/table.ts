import { type Figures, measure } from './measure.ts';
import { type Bars, type Scenario, scenarios } from './scenarios.ts';

/** The table of docs/simulation.md, in Markdown. */
export function renderTable(onRow: (row: string) => void = () => {}): string {
  const rows = [...HEAD];
  for (const scenario of scenarios()) {
    const row = renderRow(scenario);
    rows.push(row);
    onRow(row);
  }
  return rows.join('\n');
}

/** Measures the scenario. A figure that misses its bar is in bold. */
export function renderRow(scenario: Scenario): string {
  const { name, bars } = scenario;
  const figures = measure(scenario);
  const missed = new Set<keyof Figures>(missedBars(bars, figures));
  const columns: [keyof Figures, string, string | null][] = [
    ['efficiency', percent(figures.efficiency, 1), atLeast(bars.efficiency)],
    ['after', percent(figures.after, 0), atLeast(bars.after)],
    ['gap', whole(figures.gap), atMost(bars.gap)],
    ['p50', whole(figures.p50), null],
    ['p99', whole(figures.p99), atMost(bars.p99)],
    [
      'duplicates',
      percent(figures.duplicates, 2),
      bars.duplicates === undefined ? null : `<= ${percent(bars.duplicates, 1)}`,
    ],
    ['reorderPeak', whole(figures.reorderPeak / 1024), null],
    ['lost', whole(figures.lost), atMost(bars.lost)],
  ];
  const cells = columns.map(([key, figure, bar]) => {
    const text = bar === null ? figure : `${figure} (${bar})`;
    return missed.has(key) ? `**${text}**` : text;
  });
  return `| ${[name, ...cells].join(' | ')} |`;
}

/** The figures that miss their bars. */
export function missedBars(bars: Bars, figures: Figures): (keyof Bars)[] {
  const keys = Object.keys(bars) as (keyof Bars)[];
  return keys.filter((key) => {
    const bar = bars[key];
    const figure = figures[key];
    if (bar === undefined || figure === null) return false;
    return key === 'efficiency' || key === 'after' ? figure < bar : figure > bar;
  });
}

function atLeast(share: number | undefined): string | null {
  return share === undefined ? null : `>= ${percent(share, 1)}`;
}

function atMost(figure: number | undefined): string | null {
  return figure === undefined ? null : `<= ${whole(figure)}`;
}

function percent(share: number | null, digits: number): string {
  return share === null ? '' : `${(share * 100).toFixed(digits)} %`;
}

function whole(figure: number | null): string {
  return figure === null ? '' : figure.toFixed(0);
}

const HEAD = [
  '| scenario | efficiency | after the fault | longest gap, ms | message p50, ms | p99, ms | duplicates | reorder peak, KiB | lanes given up |',
  '|---|--:|--:|--:|--:|--:|--:|--:|--:|',
];
