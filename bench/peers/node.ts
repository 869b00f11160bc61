import { join } from 'node:path';
import type { Contender, Hop } from '../contender.ts';
import type { Lab } from '../lab.ts';
import { repositoryRoot } from '../root.ts';
import { certificate, cipherSuite } from './certificate.ts';

const script = join(repositoryRoot, 'dist', 'bench', 'node-pipe.js');

/** `near.pipe(far).pipe(near)`, chained: what connections and messages cost in Node by themselves. */
export const nodePipeTwice: Contender = {
  name: "Node's own pipe, twice",
  needs: [],
  isJustInTime: true,
  hops: [hop(), hop()],
};

/** The same with TLS between the two. */
export const nodeTls: Contender = {
  name: "Node's own pipe, TLS pair",
  needs: ['openssl'],
  isJustInTime: true,
  hops: [
    hop(() => ['encrypt', cipherSuite]),
    hop((lab) => ['decrypt', cipherSuite, certificate(lab)]),
  ],
};

function hop(role: (lab: Lab) => string[] = () => []): Hop {
  return (lab, listen, to) =>
    lab.start(listen, process.execPath, [script, `${listen}`, `${to}`, ...role(lab)]);
}
