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

/** How many times its pair a value is, and how sure that is. */
export interface Ratio {
  readonly median: number;
  /** Standard error of the median, as if the pairs were drawn from a normal distribution; NaN of one. */
  readonly error: number;
}

/**
 * How many times `base` the values are: the median of the rounds' ratios, because what disturbs a
 * round disturbs both sides of it. Null when no round has both.
 */
export function ratio(
  values: readonly (number | null)[],
  base: readonly (number | null)[],
): Ratio | null {
  const ratios = values.flatMap((value, round) => {
    const other = base[round] ?? null;
    return value === null || other === null || other === 0 ? [] : [value / other];
  });
  if (ratios.length === 0) return null;
  const mean = ratios.reduce((sum, each) => sum + each, 0) / ratios.length;
  const squares = ratios.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  const variance = squares / (ratios.length - 1);
  // The variance of a median is pi/2 times that of a mean.
  return { median: median(ratios), error: Math.sqrt(((Math.PI / 2) * variance) / ratios.length) };
}
