import { asDatagrams, memoryPair, over, tcpPair, tlsPair } from './pairs.ts';
import { pipeLaws } from './pipe.ts';
import { SESSION_WINDOW, striped } from './striped.ts';

/** What is under way is held until it is acknowledged, and a channel queues 256 KiB ahead of that. */
const limit = SESSION_WINDOW + 256 * 1024;

pipeLaws('a pipe striped over 3 memory pipes', striped(memoryPair, 3), { limit });

pipeLaws('a pipe striped over 4 TCP pipes', striped(tcpPair, 4), { limit });

pipeLaws('a pipe striped over 2 TLS pipes', striped(tlsPair, 2), { limit });

pipeLaws('a datagram pipe over a striped pipe', over(striped(memoryPair, 2), asDatagrams), {
  limit,
  keepsBoundaries: true,
});

pipeLaws('a pipe striped over 2 striped pipes', striped(striped(memoryPair, 2), 2), { limit });
