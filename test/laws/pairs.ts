import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { SlabPool } from '../../src/data/slab-pool.ts';
import { duplexFromPipe, pipeFromDuplex } from '../../src/io/duplex.ts';
import type { Pipe } from '../../src/io/pipe.ts';
import { DatagramPipe } from '../../src/io/pipe-dgm.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import { tcpPipe, tlsPipe } from '../../src/io/pipe-tcp.ts';
import { nodeClock } from '../../src/loop/node-clock.ts';
import { dialBare, listenBare } from '../../src/sys/bare-net.ts';
import { type AnySocket, BareSocket } from '../../src/sys/bare-socket.ts';
import { listen } from '../../src/sys/net.ts';
import type { DialError } from '../../src/sys/net-error.ts';
import { secureClient, secureServer } from '../../src/sys/tls.ts';
import type { PipePair } from './pipe.ts';

export interface SocketPair<Dialled extends AnySocket = Socket> {
  /** Accepted; paused and not read. */
  readonly accepted: Socket;
  /** Dialled; paused and not read. */
  readonly dialled: Dialled;
  /** Resolves when both sockets are closed. */
  close(): Promise<void>;
}

/** A fresh pool that shows use after release. */
export function poisonedPool(): SlabPool {
  return new SlabPool({
    allocate: (size) => Buffer.allocUnsafe(size),
    budget: 64 * 1024 * 1024,
    poison: 0xdd,
  });
}

/** Two connected sockets on loopback. */
export async function socketPair(): Promise<SocketPair> {
  const { promise: accepting, resolve: onSocket } = withResolvers<Socket>();
  const listener = await listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, onSocket);
  const port = Number(listener.addresses[0]?.split(':')[1]);
  const dialled = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  dialled.pause();
  await once(dialled, 'connect');
  const closed = new Promise((resolve) => dialled.once('close', resolve));
  return {
    accepted: await accepting,
    dialled,
    close: async () => void (await Promise.all([listener.close(), closed])),
  };
}

/** The dialled one never was a `net.Socket`. */
export async function halfBarePair(): Promise<SocketPair<BareSocket>> {
  const { promise: accepting, resolve: onSocket } = withResolvers<Socket>();
  const listener = await listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, onSocket);
  const dialled = await dialledBare(Number(listener.addresses[0]?.split(':')[1]));
  return { accepted: await accepting, dialled, close: () => listener.close() };
}

export async function tcpPair(): Promise<PipePair> {
  const sockets = await socketPair();
  const pool = poisonedPool();
  return {
    a: tcpPipe(sockets.dialled, pool),
    b: tcpPipe(sockets.accepted, pool),
    close: () => closeWith(sockets, pool),
  };
}

/** Connections that never were a `net.Socket`. */
export async function bareTcpPair(): Promise<PipePair> {
  const { promise: accepting, resolve: onSocket } = withResolvers<AnySocket>();
  const listener = await listenBare({ kind: 'tcp', host: '127.0.0.1', port: 0 }, onSocket);
  const port = Number(listener.addresses[0]?.split(':')[1]);
  const [accepted, dialled] = await Promise.all([accepting, dialledBare(port)]);
  assert.ok(accepted instanceof BareSocket);
  const pool = poisonedPool();
  return {
    a: tcpPipe(dialled, pool),
    b: tcpPipe(accepted, pool),
    async close() {
      await listener.close();
      // The dialled one is not counted, and may close some turns later.
      for (let turn = 0; turn < 100 && pool.outBytes > 0; turn += 1) await nextTurn();
      assert.equal(pool.outBytes, 0, 'all read buffers came home');
    },
  };
}

/** The way of sockets whose handle can't be moved. */
export async function eventTcpPair(): Promise<PipePair> {
  class Foreign extends Socket {}
  const sockets = await socketPair();
  for (const socket of [sockets.dialled, sockets.accepted]) {
    Object.defineProperty(socket, 'constructor', { value: Foreign });
  }
  const pool = poisonedPool();
  return {
    a: tcpPipe(sockets.dialled, pool),
    b: tcpPipe(sockets.accepted, pool),
    close: () => closeWith(sockets, pool),
  };
}

export async function tlsPair(): Promise<PipePair> {
  const sockets = await socketPair();
  const key = Buffer.alloc(32, 7);
  const pool = poisonedPool();
  const options = { timeout: 10_000 };
  const [a, b] = await Promise.all([
    secureClient(sockets.dialled, key, options),
    secureServer(sockets.accepted, key, options),
  ]);
  return {
    a: tlsPipe(a, sockets.dialled, pool),
    b: tlsPipe(b, sockets.accepted, pool),
    close: () => closeWith(sockets, pool),
  };
}

export async function memoryPair(): Promise<PipePair> {
  const [a, b] = memoryPipePair({ capacity: 64 * 1024, clock: nodeClock });
  return { a, b, close: async () => {} };
}

/** Another pipe over both ends of a pair. */
export function over(
  makePair: () => Promise<PipePair>,
  wrap: (pipe: Pipe) => Pipe,
): () => Promise<PipePair> {
  return async () => {
    const inner = await makePair();
    return { a: wrap(inner.a), b: wrap(inner.b), close: () => inner.close() };
  };
}

export const asDatagrams = (pipe: Pipe): Pipe => new DatagramPipe(pipe);
export const throughDuplex = (pipe: Pipe): Pipe => pipeFromDuplex(duplexFromPipe(pipe));

async function dialledBare(port: number): Promise<BareSocket> {
  const { promise: dialling, resolve: onDialled } = withResolvers<AnySocket | DialError>();
  dialBare({ kind: 'tcp', host: '127.0.0.1', port }, { timeout: 10_000 }, onDialled);
  const dialled = await dialling;
  assert.ok(dialled instanceof BareSocket);
  return dialled;
}

async function closeWith(sockets: SocketPair, pool: SlabPool): Promise<void> {
  await sockets.close();
  assert.equal(pool.outBytes, 0, 'all read buffers came home');
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** `Promise.withResolvers` of later versions. */
export function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
