import { describe, test } from 'node:test';
import { randomPlan } from './random-plan.ts';
import { World } from './world.ts';

/** Seeds are fixed, so that a failure is a change; `npm run sim -- --worlds N --from SEED` looks further. */
const WORLDS = 300;
const GROUP = 25;

describe('random worlds keep every promise of the session', () => {
  for (let first = 1; first <= WORLDS; first += GROUP) {
    const last = first + GROUP - 1;
    test(`seeds ${first} to ${last}`, { timeout: 120_000 }, () => {
      for (let seed = first; seed <= last; seed += 1) {
        try {
          new World(randomPlan(seed)).run();
        } catch (error) {
          throw new Error(`seed ${seed}; replay it with: npm run sim -- --seed ${seed} --trace`, {
            cause: error,
          });
        }
      }
    });
  }
});
