import assert from 'node:assert/strict';
import { digest } from './digest.ts';
import { type Action, type SmallPlan, SmallWorld } from './small-world.ts';

export interface SearchResult {
  /** Different states that were seen, and those of them in which all is done. */
  readonly states: number;
  readonly ends: number;
  /** Histories that were run. */
  readonly runs: number;
  /** Choices that were not tried; 0 once all has been seen. */
  readonly left: number;
}

/** The choices that were made up to a point where another is to be tried, and the state before. */
interface Branch {
  readonly choices: readonly number[];
  readonly from: number;
}

/**
 * Tries all that can happen in a small world. A history is a list of choices; each run replays one and
 * goes on with the first option wherever there is a choice, leaving the others for later runs, until
 * it comes to a state that was seen before.
 *
 * A deadlock shows as time that passes in vain. So that nothing goes round in circles either, the end
 * must be within reach of every state.
 *
 * @throws {Error} with the history that breaks a promise
 */
export class Search {
  readonly #plan: SmallPlan;
  /** Numbers of states by digest. */
  readonly #states = new Map<string, number>();
  /** By state: those that it was reached from. */
  readonly #before: number[][] = [];
  readonly #ends: number[] = [];
  readonly #pending: Branch[] = [{ choices: [], from: NOWHERE }];
  #runs = 0;

  constructor(plan: SmallPlan) {
    this.#plan = plan;
  }

  run(most = Number.POSITIVE_INFINITY): SearchResult {
    while (this.#runs < most) {
      const branch = this.#pending.pop();
      if (branch === undefined) break;
      this.#runs += 1;
      this.#follow(branch);
    }
    if (this.#pending.length === 0) this.#verifyReach();
    const left = this.#pending.length;
    return { states: this.#states.size, ends: this.#ends.length, runs: this.#runs, left };
  }

  #follow({ choices, from }: Branch): void {
    const made: number[] = [];
    const names: string[] = [];
    let last = from;
    const choose = (options: number): number => {
      const at = made.length;
      if (at >= choices.length) {
        for (let other = options - 1; other > 0; other -= 1) {
          this.#pending.push({ choices: [...made, other], from: last });
        }
      }
      const choice = choices[at] ?? 0;
      made.push(choice);
      return choice;
    };
    try {
      const world = new SmallWorld(this.#plan, choose);
      for (;;) {
        const actions = world.actions();
        // What waits for a lane inside a session cannot be told from outside.
        if (made.length >= choices.length && world.hasLane) {
          world.verify();
          const state = this.#visit(world, last);
          if (state === null) return;
          last = state;
        }
        if (actions.length === 0) return;
        const action: Action = actions[choose(actions.length)]!;
        names.push(action.name);
        world.act(action);
      }
    } catch (error) {
      throw new Error(`this leads to it:\n  ${names.join('\n  ')}`, { cause: error });
    }
  }

  /** @returns the number of the state, null if it was seen before */
  #visit(world: SmallWorld, from: number): number | null {
    const text = digest(world);
    const known = this.#states.get(text);
    const state = known ?? this.#states.size;
    if (known === undefined) {
      this.#states.set(text, state);
      this.#before.push([]);
      if (world.isDone) {
        world.verifyDone();
        this.#ends.push(state);
      }
    }
    if (from !== NOWHERE) this.#before[state]!.push(from);
    return known === undefined ? state : null;
  }

  /** From every state that was seen, all can still be done. */
  #verifyReach(): void {
    const reached = new Set(this.#ends);
    for (const state of reached) for (const before of this.#before[state]!) reached.add(before);
    assert.equal(reached.size, this.#states.size, 'from some states the end is out of reach');
  }
}

const NOWHERE = -1;
