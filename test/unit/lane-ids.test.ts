import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { after, before, test } from 'node:test';
import type { ExitConfig } from '../../src/app/config.ts';
import { Downlinks } from '../../src/app/downlinks.ts';
import { ProxyMemory } from '../../src/app/proxy-memory.ts';
import { Targets } from '../../src/app/targets.ts';
import { silentLogger } from '../../src/core/log.ts';
import { joinSession, LaneRefused, type SessionTicket } from '../../src/io/lane-handshake.ts';
import { tcpPipe } from '../../src/io/pipe-tcp.ts';
import { nodeClock } from '../../src/loop/node-clock.ts';
import { ReplyStatus } from '../../src/protocol/handshake.ts';
import { crypto } from '../../src/sys/crypto.ts';

const key = new Uint8Array(32).fill(1);
const memory = new ProxyMemory(64 * 1024 * 1024);
const to = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const;
const config: ExitConfig = {
  listen: to,
  to,
  connectTimeout: 1_000,
  key,
  plain: true,
  scheduler: 'adaptive',
  memory: 64 * 1024 * 1024,
  resume: 1_000,
  busyPoll: 0,
};
const targets = new Targets(config, memory.pool, silentLogger);
const downlinks = new Downlinks(config, memory, targets, silentLogger);
let server: Server;

before(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    void downlinks.welcome(socket, 'the test');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

after(async () => {
  downlinks.close();
  server.close();
  await once(server, 'close');
});

/** Shakes hands as an entry, for a lane with the given id. */
async function join(lane: number, ticket: SessionTicket | null): Promise<SessionTicket> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  const pipe = tcpPipe(socket, memory.pool);
  const settings = { sessionWindow: 1e6, initialWindow: 1e5, maxChannels: 10, resume: 1_000 };
  const options = { key, binding: null, crypto, clock: nodeClock, timeout: 5_000, settings };
  const joined = await joinSession(pipe, options, lane, ticket);
  joined.early?.release();
  pipe.abort();
  return joined.ticket;
}

function isRefused(error: unknown): boolean {
  return error instanceof LaneRefused && error.status === ReplyStatus.BAD_HELLO;
}

test('lane 0 makes no session and joins none', async () => {
  await assert.rejects(join(0, null), isRefused);
  assert.deepEqual(downlinks.status(), [], 'no session is left behind');
  const ticket = await join(1, null);
  await assert.rejects(join(0, ticket), isRefused);
});

test('a session may begin with any lane: an entry counts on while no exit takes one', async () => {
  const ticket = await join(4_000_000_000, null);
  await join(4_000_000_001, ticket);
  await join(4_000_000_101, ticket);
});

test('each id is good for one lane, and none lies before the first or far ahead', async () => {
  const ticket = await join(10, null);
  await join(12, ticket);
  await join(11, ticket);
  for (const lane of [10, 11, 12, 9, 100_000]) await assert.rejects(join(lane, ticket), isRefused);
});
