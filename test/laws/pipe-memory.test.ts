import { asDatagrams, memoryPair, over, tcpPair, throughDuplex } from './pairs.ts';
import { pipeLaws } from './pipe.ts';

const limit = 64 * 1024;

pipeLaws('a memory pipe', memoryPair, { limit });

pipeLaws('a datagram pipe over memory', over(memoryPair, asDatagrams), {
  limit,
  keepsBoundaries: true,
});

pipeLaws('a memory pipe through Duplex and back', over(memoryPair, throughDuplex), { limit });

pipeLaws('a TCP pipe through Duplex and back', over(tcpPair, throughDuplex), { limit });
