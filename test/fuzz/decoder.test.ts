import assert from 'node:assert/strict';
import { decodeNaively, type Told } from '../prop/naive-decoder.ts';
import { Slabs } from '../prop/slabs.ts';
import { concat, dataFrame, decode } from '../prop/wire.ts';
import type { Random } from '../sim/random.ts';
import { legalFrames } from './frames.ts';
import { fuzz } from './fuzz.ts';
import { mutate, noise, shred } from './mutate.ts';

fuzz(
  'random bytes, faulty frames and frames cut anywhere: the decoder reads what the naive one reads',
  (random) => {
    const bytes = input(random);
    const slabs = new Slabs();
    const told = decode(shred(random, bytes), (piece) => slabs.chunk(piece));
    assert.deepEqual(told, decodeNaively(bytes));
    slabs.assertAllHome();
    // Payload comes as it arrives, so nothing that is told can be more than what came.
    assert.ok(payloadBytes(told) <= bytes.length);
  },
);

function input(random: Random): Uint8Array {
  const frames = [
    ...legalFrames(random, random.int(1, 12)),
    dataFrame(
      random.int(0, 5),
      random.int(0, 1e9),
      noise(random, random.int(0, 3_000)),
      random.chance(0.2),
    ),
  ];
  switch (random.int(0, 3)) {
    case 0:
      return noise(random, random.int(1, 400));
    case 1:
      return mutate(random, concat(frames));
    case 2:
      return concat([...frames, noise(random, random.int(1, 40)), ...frames]);
    default: {
      const whole = concat(frames);
      return whole.subarray(0, random.int(0, whole.length));
    }
  }
}

function payloadBytes(told: readonly Told[]): number {
  return told.reduce((sum, each) => sum + (each.kind === 'data' ? each.payload.length / 2 : 0), 0);
}
