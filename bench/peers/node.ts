import { join } from 'node:path';
import type { Contender, Hop } from '../contender.ts';
import { repositoryRoot } from '../root.ts';

const script = join(repositoryRoot, 'dist', 'bench', 'node-pipe.js');

const hop: Hop = (lab, listen, to) =>
  lab.start(listen, process.execPath, [script, `${listen}`, `${to}`]);

/** `near.pipe(far).pipe(near)`, chained: what connections and messages cost in Node by themselves. */
export const nodePipeTwice: Contender = {
  name: "Node's own pipe, twice",
  needs: [],
  isJustInTime: true,
  hops: [hop, hop],
};
