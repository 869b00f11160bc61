import assert from 'node:assert/strict';
import { digest } from './digest.ts';
import { SmallWorld } from './small-world.ts';

export interface SearchResult {
  /** Different states that were seen, and those of them in which nothing is left to happen. */
  readonly states: number;
  readonly ends: number;
  /** Histories that were run. */
  readonly runs: number;
}

/**
 * Tries all that can happen in a small world. A history is a list of choices; each run replays one and
 * goes on with the first option wherever there is a choice, leaving the others for later runs, until
 * it comes to a state that was seen before.
 *
 * @throws {Error} with the history that breaks a promise
 */
export function search(most = Number.POSITIVE_INFINITY): SearchResult {
  const seen = new Set<string>();
  const pending: number[][] = [[]];
  let ends = 0;
  let runs = 0;
  while (runs < most) {
    const given = pending.pop();
    if (given === undefined) break;
    runs += 1;
    const made: number[] = [];
    const choose = (options: number): number => {
      const at = made.length;
      const choice = given[at] ?? 0;
      if (at >= given.length) {
        for (let other = 1; other < options; other += 1) pending.push([...made, other]);
      }
      made.push(choice);
      return choice;
    };
    try {
      ends += run(choose, () => made.length >= given.length, seen);
    } catch (error) {
      throw new Error(`the choices ${made.join(' ')} lead to it`, { cause: error });
    }
  }
  return { states: seen.size, ends, runs };
}

/** @returns 1 if the history came to a new end */
function run(choose: (options: number) => number, isNew: () => boolean, seen: Set<string>): number {
  const world = new SmallWorld(choose);
  for (;;) {
    const actions = world.actions();
    if (isNew()) {
      const state = digest(world);
      if (seen.has(state)) return 0;
      seen.add(state);
      if (world.isQuiet && world.lanes.length > 0) world.verifyDone();
      if (actions.length === 0) {
        assert.ok(world.lanes.length > 0, 'no lane is left, and none can come');
        return 1;
      }
    }
    world.act(actions[choose(actions.length)]!);
  }
}
