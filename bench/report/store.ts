import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type MeasureResult, platformOf, type RunResult } from '../result.ts';
import { repositoryRoot } from '../root.ts';
import { markdownPage } from './markdown.ts';

const page = join(repositoryRoot, 'docs', 'benchmarks.md');
const data = join(repositoryRoot, 'docs', 'benchmarks.json');
const last = join(repositoryRoot, 'dist', 'bench', 'last.json');

/** Keeps the run's figures for whoever wants to look closer. @returns the path */
export function keep(run: RunResult): string {
  mkdirSync(dirname(last), { recursive: true });
  writeFileSync(last, jsonOf([run]));
  return last;
}

/**
 * Puts the run among those that are published, and writes the page anew.
 * @returns the paths
 */
export function publish(run: RunResult): string[] {
  const published: RunResult[] = existsSync(data)
    ? JSON.parse(readFileSync(data, 'utf8')).runs
    : [];
  const text = jsonOf(withRun(published, run));
  writeFileSync(data, text);
  // From what is stored: a figure rounded twice might differ from one rounded once.
  writeFileSync(page, markdownPage(JSON.parse(text).runs));
  return [page, data];
}

/**
 * Of an earlier run on the same platform under the same congestion control only those measures stay that
 * this one has not repeated.
 */
export function withRun(published: readonly RunResult[], run: RunResult): RunResult[] {
  const same = published.find(
    (other) => other.congestion === run.congestion && platformOf(other) === platformOf(run),
  );
  const others = published.filter((other) => other !== same);
  const merged = { ...run, measures: merge(same?.measures ?? [], run.measures) };
  return [...others, merged].toSorted(
    (a, b) =>
      platformOf(a).localeCompare(platformOf(b), 'en', { numeric: true }) ||
      Number(b.isDefault) - Number(a.isDefault),
  );
}

function merge(
  before: readonly MeasureResult[],
  now: readonly MeasureResult[],
): readonly MeasureResult[] {
  const kept = before.map((old) => now.find(({ id }) => id === old.id) ?? old);
  return [...kept, ...now.filter(({ id }) => !before.some((old) => old.id === id))];
}

/** Lists of figures stay on one line, so that a change of one round is a change of one line. */
function jsonOf(runs: readonly RunResult[]): string {
  const text = JSON.stringify({ runs }, rounded, 2);
  return `${text.replaceAll(/\[\s+((?:-?[\d.e-]+|null)(?:,\s+(?:-?[\d.e-]+|null))*)\s+\]/g, (_, list: string) => `[${list.replaceAll(/\s+/g, ' ')}]`)}\n`;
}

/** Four significant digits are more than the spread allows. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value)
    ? Number(value.toPrecision(4))
    : value;
}
