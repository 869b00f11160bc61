import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { MeasureResult, RunResult } from '../result.ts';
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
 * Puts the run among those that are published, and writes the page anew. Of an earlier run on the same
 * kind of processor under the same congestion control only those measures stay that this one has not
 * repeated.
 * @returns the paths
 */
export function publish(run: RunResult): string[] {
  const published = existsSync(data)
    ? (JSON.parse(readFileSync(data, 'utf8')).runs as RunResult[])
    : [];
  const same = published.find(
    ({ congestion, machine }) =>
      congestion === run.congestion && machine.processor === run.machine.processor,
  );
  const others = published.filter((other) => other !== same);
  const merged = { ...run, measures: merge(same?.measures ?? [], run.measures) };
  const runs = [...others, merged].toSorted(
    (a, b) =>
      a.machine.processor.localeCompare(b.machine.processor) ||
      Number(b.isDefault) - Number(a.isDefault),
  );
  writeFileSync(data, jsonOf(runs));
  writeFileSync(page, markdownPage(runs));
  return [page, data];
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
