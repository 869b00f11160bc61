import { bareTcpPair, eventTcpPair, tcpPair } from './pairs.ts';
import { pipeLaws } from './pipe.ts';

const limit = 64 * 1024;

pipeLaws('a TCP pipe', bareTcpPair, { limit });

pipeLaws('a TCP pipe over what was a net.Socket', tcpPair, { limit });

// What is written inside of a callback of the system is not taken at once, either.
pipeLaws('a TCP pipe with chunks larger than its buffers', bareTcpPair, {
  limit,
  maxChunk: 2 * 1024 * 1024,
});

const [major = 0] = process.versions.node.split('.').map(Number);
pipeLaws("a TCP pipe by 'data' events", eventTcpPair, {
  limit,
  showsResetAfterFin: major >= 24,
});
