import { eventTcpPair, tcpPair } from './pairs.ts';
import { pipeLaws } from './pipe.ts';

const limit = 64 * 1024;

pipeLaws('a TCP pipe', tcpPair, { limit });

const [major = 0] = process.versions.node.split('.').map(Number);
pipeLaws("a TCP pipe by 'data' events", eventTcpPair, {
  limit,
  showsResetAfterFin: major >= 24,
});
