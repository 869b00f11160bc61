import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { repositoryRoot } from '../root.ts';
import type { Sample } from './scenario.ts';

/** What was measured of one case under one congestion control. */
export interface Result {
  readonly id: string;
  readonly congestion: string;
  readonly samples: readonly Sample[];
  /** Why runs are missing. */
  readonly failures: readonly string[];
  /** Why figures are not to be trusted, by the emulator's own check. */
  readonly complaint: string | null;
  readonly date: string;
  /** Of this project. */
  readonly version: string;
}

const path = join(repositoryRoot, 'docs', 'paths.json');

export const page = join(repositoryRoot, 'docs', 'paths.md');

export function published(): Result[] {
  if (!existsSync(path)) return [];
  const stored = JSON.parse(readFileSync(path, 'utf8')) as Result[];
  return stored.map((result) => ({ ...result, samples: result.samples.map(unpacked) }));
}

/** The new results, and of the others those that were not measured anew. */
export function merged(others: readonly Result[], now: readonly Result[]): Result[] {
  const kept = others.filter(
    ({ id, congestion }) => !now.some((one) => one.id === id && one.congestion === congestion),
  );
  return [...kept, ...now];
}

export function publish(results: readonly Result[], text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(results, rounded, 2)}\n`);
  writeFileSync(page, text);
}

/** JSON has no infinity. */
function unpacked(sample: Readonly<Record<string, number | null>>): Sample {
  const entries = Object.entries(sample);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, value ?? Number.POSITIVE_INFINITY]),
  );
}

function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}
