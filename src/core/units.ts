import { UsageError } from './usage-error.ts';

/** `256MiB`, `1.5G`, `64k`, `10MB` or plain bytes. Without `B`, or with `iB`, a step is 1024; with `B` 1000. */
export function parseSize(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*((?:[kmgt](?:i?b)?|b)?)$/i.exec(text.trim()) ?? [];
  const factor = unit === undefined ? undefined : sizeFactor(unit.toLowerCase());
  const bytes = Math.floor(Number(amount) * (factor ?? Number.NaN));
  if (!Number.isSafeInteger(bytes)) {
    throw new UsageError(`'${text}' is no size; write it as in 64KiB, 256MiB or 1.5GiB`);
  }
  return bytes;
}

/** The shortest form with at most three digits after the point: `256MiB`, `1.5GiB`, `700B`. */
export function formatSize(bytes: number): string {
  let power = 0;
  while (power < binaryUnits.length - 1 && bytes >= 1024 ** (power + 1)) power += 1;
  return `${shorten(bytes / 1024 ** power)}${binaryUnits[power]}`;
}

/**
 * `30s`, `500ms`, `200us`, `2m`, `1.5h`: ms, to the nearest us. At most 24 days, the longest that a timer
 * can wait.
 */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*(us|ms|s|m|min|h|d)$/.exec(text.trim()) ?? [];
  const factor = durationUnits.find(([name]) => name === (unit === 'min' ? 'm' : unit))?.[1];
  const us = text.trim() === '0' ? 0 : Math.round(Number(amount) * (factor ?? Number.NaN) * 1000);
  const ms = us / 1000;
  if (Number.isNaN(ms)) {
    throw new UsageError(`'${text}' is no duration; write it as in 500ms, 30s or 2m`);
  }
  if (ms > LONGEST) throw new UsageError(`'${text}' is too long; the most is 24d`);
  return ms;
}

/** The largest unit that leaves at least one: `200us`, `500ms`, `30s`, `1.5m`. */
export function formatDuration(ms: number): string {
  const [name, factor] = durationUnits.find(([, least]) => ms >= least) ?? (['ms', 1] as const);
  return `${shorten(ms / factor)}${name}`;
}

/** As networks count: `7.9 Mbit/s`. */
export function formatRate(bytesPerSecond: number): string {
  let bits = bytesPerSecond * 8;
  let unit = 0;
  while (unit < rateUnits.length - 1 && bits >= 1000) {
    bits /= 1000;
    unit += 1;
  }
  return `${bits.toFixed(bits >= 100 || unit === 0 ? 0 : 1)} ${rateUnits[unit]}`;
}

function sizeFactor(unit: string): number {
  const power = ' kmgt'.indexOf(unit.charAt(0) === 'b' ? ' ' : unit.charAt(0) || ' ');
  return (/^[kmgt]b$/.test(unit) ? 1000 : 1024) ** power;
}

function shorten(value: number): string {
  return String(Number(value.toFixed(value >= 100 ? 1 : value >= 10 ? 2 : 3)));
}

const LONGEST = 24 * 86_400_000; // ms
const binaryUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const rateUnits = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s'];
const durationUnits = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
  ['us', 0.001],
] as const;
