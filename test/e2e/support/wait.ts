import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again and again, for what sends no event to this process.
 * @returns the first answer that is neither false nor null nor undefined
 */
export async function until<T>(
  ask: () => T | Promise<T>,
  limit: number,
  what: () => string,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + limit;
  for (;;) {
    const answer = await ask();
    // Stated cast: the compiler does not narrow a type parameter.
    if (answer || answer === 0) return answer as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`not within ${limit} ms: ${what()}`);
    await delay(10);
  }
}

/** What `work` resolves with, or an error after `limit` ms. */
export async function within<T>(limit: number, work: Promise<T>, what: string): Promise<T> {
  const stop = new AbortController();
  const late = delay(limit, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`not within ${limit} ms: ${what}`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    stop.abort();
  }
}
