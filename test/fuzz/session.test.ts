import assert from 'node:assert/strict';
import { Reason } from '../../src/core/errors.ts';
import { concat } from '../prop/wire.ts';
import type { Random } from '../sim/random.ts';
import type { End } from './end.ts';
import { likelyFrames } from './frames.ts';
import { fuzz } from './fuzz.ts';
import { mutate, noise, shred } from './mutate.ts';
import { assertEmpty, Pair, readOut } from './pair.ts';

fuzz('a pair that is left alone carries every byte, and gives all back', (random) => {
  const pair = new Pair(random, random.int(1, 4));
  for (let steps = random.int(20, 300); steps > 0; steps -= 1) {
    pair.step();
    pair.check();
  }
  pair.settle();
  for (const end of pair.ends) assert.equal(end.closed, null, end.closed?.detail);
  pair.checkSettled();
  closeBoth(pair);
});

fuzz(
  'whatever comes in, a session stays within its bounds, and ends with a reason or not at all',
  (random) => {
    const pair = new Pair(random, random.int(1, 3));
    for (let steps = random.int(0, 150); steps > 0; steps -= 1) pair.step();
    for (const end of pair.ends) assert.equal(end.closed, null, end.closed?.detail);
    pair.isHonest = false;
    for (let steps = random.int(1, 40); steps > 0; steps -= 1) {
      attack(pair, random.pick(pair.ends), random);
      pair.check();
      pair.step();
      pair.check();
    }
    for (const { closed, closings } of pair.ends) {
      if (closed === null) continue;
      assert.equal(closings, 1, 'it ends once');
      assert.ok(closed.reason in Reason);
      assert.match(closed.detail, /^lane \d+: .+|^the peer has closed the session$/);
    }
    closeBoth(pair);
  },
  // The lane to which an OPEN had been copied was lost; what came after it overtook the OPEN.
  [1_546_212_700],
);

/** What is under way on a lane arrives mutated, cut, doubled, or among frames that nobody sent. */
function attack(pair: Pair, victim: End, random: Random): void {
  const taken = pair.intercept(victim);
  if (taken === null) return;
  const { lane, bytes } = taken;
  const hostile = tamper(bytes, random);
  for (const piece of shred(random, hostile)) victim.receive(piece, lane);
  victim.settle();
  pair.collect();
}

function tamper(bytes: Uint8Array, random: Random): Uint8Array {
  switch (random.int(0, 4)) {
    case 0:
      return mutate(random, bytes);
    case 1:
      return concat([bytes, bytes]);
    case 2:
      return concat([bytes, ...likelyFrames(random, random.int(1, 5))]);
    case 3:
      return concat([
        ...likelyFrames(random, random.int(1, 5)).map((frame) => mutate(random, frame)),
        bytes,
      ]);
    default:
      return noise(random, random.int(1, 200));
  }
}

function closeBoth(pair: Pair): void {
  for (const end of pair.ends) {
    end.session.close('SHUTDOWN', end.now);
    end.settle();
    readOut(end);
    assertEmpty(end);
  }
}
