/** The middle of the values, or of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Null when no round gave a value. */
export function spread(values: readonly (number | null)[]): Spread | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  return { median: median(known), least: Math.min(...known), most: Math.max(...known) };
}

/**
 * How many times `base` the values are: the median of the rounds' ratios, because what disturbs a
 * round disturbs both sides of it. Null when no round has both.
 */
export function ratio(
  values: readonly (number | null)[],
  base: readonly (number | null)[],
): number | null {
  const ratios = values.flatMap((value, round) => {
    const other = base[round] ?? null;
    return value === null || other === null || other === 0 ? [] : [value / other];
  });
  return ratios.length === 0 ? null : median(ratios);
}
