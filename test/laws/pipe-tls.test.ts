import { asDatagrams, over, tlsPair } from './pairs.ts';
import { pipeLaws } from './pipe.ts';

const limit = 1024 * 1024;
const [major = 0] = process.versions.node.split('.').map(Number);
const showsResetAfterFin = major >= 24;

pipeLaws('a TLS pipe', tlsPair, { limit, showsResetAfterFin });

pipeLaws('a datagram pipe over TLS over TCP', over(tlsPair, asDatagrams), {
  limit,
  showsResetAfterFin,
  keepsBoundaries: true,
});
