import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Search } from './search.ts';
import { smallPlans } from './small-plans.ts';

describe('all that can happen in a small world keeps every promise of the session', () => {
  for (const { name, ...plan } of smallPlans) {
    test(name, { timeout: 200_000 }, (t) => {
      const { states, ends, runs } = new Search(plan).run();
      t.diagnostic(`${name}: ${states} states, ${runs} histories`);
      // A search that sees little has lost its choices somewhere.
      assert.ok(states > 1_000 && ends > 0, `${states} states, ${ends} ends`);
    });
  }
});
