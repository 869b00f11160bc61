import type { SmallPlan } from './small-world.ts';

const bulk = { up: 3, down: 0, isSlow: false };
const up = { up: 2, down: 0, isSlow: false };
const down = { up: 0, down: 1, isSlow: false };
const slow = { up: 3, down: 0, isSlow: true };

/** Worlds that are searched to their end within seconds. */
export const smallPlans: readonly (SmallPlan & { readonly name: string })[] = [
  {
    name: 'two channels, two lanes that die, one that comes back',
    transfers: [up, down],
    deaths: 2,
    resumes: 1,
    isGradual: false,
  },
  {
    name: 'more chunks than the window holds, a lane that dies at one end first and comes back',
    transfers: [bulk],
    deaths: 1,
    resumes: 1,
    isGradual: true,
  },
  {
    name: 'a writer and a reader that take their time',
    transfers: [slow],
    deaths: 0,
    resumes: 0,
    isGradual: false,
  },
];

/** The same and more, all at once: minutes and gigabytes. */
export const largestPlan: SmallPlan = {
  transfers: [bulk, down],
  deaths: 2,
  resumes: 1,
  isGradual: true,
};
