import { compile } from '../compile.ts';
import type { Contender, Hop } from '../contender.ts';

const hop: Hop = (lab, listen, to) => {
  const program = compile('relay');
  if (program === null) throw new Error('bench/relay.c could not be compiled');
  return lab.start(listen, program, [`${listen}`, `${to}`]);
};

/** Reads and writes of up to 4 MiB and nothing else: what a pair in C can reach on this machine. */
export const bareCTwice: Contender = {
  name: 'bare relay in C, twice',
  needs: ['cc'],
  hops: [hop, hop],
};

export const bareCOnce: Contender = { name: 'bare relay in C', needs: ['cc'], hops: [hop] };
