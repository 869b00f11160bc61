import { test } from 'node:test';
import { Random } from '../sim/random.ts';

/**
 * Runs `round` with one seed after the other, for a while:
 *
 *   STRIPER_FUZZ_SECONDS=600   how long each of these tests goes on (default 2)
 *   STRIPER_FUZZ_SEED=1234     the first seed: what a failure names replays in the first round
 *
 * `past` are seeds that once failed: they come first.
 */
export function fuzz(
  name: string,
  round: (random: Random) => void | Promise<void>,
  past: readonly number[] = [],
): void {
  const { STRIPER_FUZZ_SECONDS, STRIPER_FUZZ_SEED } = process.env;
  const seconds = Number(STRIPER_FUZZ_SECONDS ?? 2);
  const first = Number(STRIPER_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
  test(name, async (t) => {
    const end = performance.now() + seconds * 1_000;
    let seed = first;
    for (const each of past) await play(each);
    do {
      await play(seed);
      seed += 1;
    } while (performance.now() < end);
    t.diagnostic(`${seed - first} rounds from seed ${first}`);
  });

  async function play(seed: number): Promise<void> {
    try {
      await round(new Random(seed));
    } catch (error) {
      const what = error instanceof Error ? error.stack : String(error);
      throw new Error(`replay with STRIPER_FUZZ_SEED=${seed}: ${what}`, { cause: error });
    }
  }
}
