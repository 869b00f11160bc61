import fc from 'fast-check';
import { anyFrame } from '../prop/wire.ts';
import type { Random } from '../sim/random.ts';

/** Legal frames of all types. */
export function legalFrames(random: Random, count: number): Uint8Array[] {
  return fc.sample(anyFrame, { seed: random.int(0, 2 ** 31 - 1), numRuns: count });
}

/** Legal frames, mostly for channels and lanes that may exist, with numbers within reach. */
export function likelyFrames(random: Random, count: number): Uint8Array[] {
  return legalFrames(random, count).map((frame) => {
    if (random.chance(0.2)) return frame;
    const near = frame.slice();
    near.set([0, 0, 0, random.int(0, 8)], 4);
    if (near.length >= 14) near.set([0, 0, 0, random.int(0, 1)], 8);
    return near;
  });
}
