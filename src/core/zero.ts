/**
 * Zero as V8 holds floating-point numbers, for counters of bytes and for times.
 *
 * A field that begins with the literal 0 holds small integers. When it outgrows them, at 2 GiB, V8 gives
 * its object another shape and throws away all optimized code that knew the old one, in the midst of a
 * transfer. A field that begins with this, or with `ZERO + n`, is a double from the start.
 */
export const ZERO = new Float64Array(1)[0]!;
