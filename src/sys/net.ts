import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Address, formatAddress } from '../core/address.ts';
import { type AnySocket, BareSocket } from './bare-socket.ts';
import { codeOf, DialError, ListenError } from './net-error.ts';

export interface Listener {
  /** What is bound, as `HOST:PORT`, `[V6]:PORT` or `unix:/path`. */
  readonly addresses: readonly string[];
  /** Stops accepting; resolves when the connections that were accepted are closed too. Repeatable. */
  close(): Promise<void>;
}

export interface ListenOptions {
  /** Told of connections that could not be accepted, such as for want of file descriptors. */
  readonly onAcceptError?: (error: Error) => void;
}

export interface DialOptions {
  /** The local IP address to dial from. */
  readonly localAddress?: string;
  /** ms until the attempt is given up. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
}

export interface InsistentDialOptions extends DialOptions {
  /** ms after which another attempt is made beside those that have had no answer yet. */
  readonly interval: number;
}

/** After so much silence the kernel asks whether the peer is still there. */
export const KEEPALIVE_DELAY = 30_000; // ms
const STALE_PROBE_TIMEOUT = 1_000; // ms

/**
 * Accepts connections: paused, half-open, without Nagle's delay. `host: null` is every interface, IPv6
 * and IPv4. A socket file that nobody answers on is replaced. An error of a socket that comes before
 * anybody listens to it shows in `errored`, here and in `dial()`.
 * @throws {ListenError} if the address cannot be bound.
 */
export async function listen(
  address: Address,
  onSocket: (socket: Socket) => void,
  options: ListenOptions = {},
): Promise<Listener> {
  return listenerOf(await startServer(address, onSocket), address, options);
}

/** What `listen()` does first. @throws {ListenError} if the address cannot be bound. */
export async function startServer(
  address: Address,
  onSocket: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer(
    {
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_DELAY,
    },
    (socket) => {
      socket.on('error', ignore);
      onSocket(socket);
    },
  );
  try {
    await bind(server, address);
  } catch (error) {
    if (!(await removeStale(address, error))) throw new ListenError(address, error);
    await bind(server, address).catch((again: unknown) => {
      throw new ListenError(address, again);
    });
  }
  return server;
}

/** What `listen()` does with its server. `idle` resolves when connections that it does not know are closed. */
export function listenerOf(
  server: Server,
  address: Address,
  { onAcceptError }: ListenOptions,
  idle: () => Promise<void> = async () => {},
): Listener {
  server.on('error', (error) => onAcceptError?.(error));
  let closed: Promise<void> | null = null;
  return {
    addresses: [boundAddress(server, address)],
    close() {
      closed ??= new Promise<void>((resolve) => server.close(() => resolve())).then(idle);
      return closed;
    },
  };
}

/**
 * As `dial`, for routes that come and go: where the kernel asks again after 1, 3 and 7 s, this asks
 * every `interval` ms, each time with a connection of its own. The first that is answered counts.
 * @throws {DialError} the last one, when all attempts have failed
 */
export function dialInsistently(address: Address, options: InsistentDialOptions): Promise<Socket> {
  const { interval, timeout, signal } = options;
  const others = new AbortController();
  const abort = (): void => others.abort();
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  const until = performance.now() + timeout;
  return new Promise<Socket>((resolve, reject) => {
    let open = 0;
    const attempt = (): void => {
      open += 1;
      const left = Math.max(1, until - performance.now());
      dial(address, { ...options, timeout: left, signal: others.signal }).then(
        (socket) => {
          if (others.signal.aborted) socket.destroy();
          else resolve(socket);
          abort();
        },
        (error: unknown) => {
          open -= 1;
          if (open > 0 && !others.signal.aborted) return;
          clearInterval(timer);
          reject(error);
        },
      );
    };
    const timer = setInterval(attempt, interval);
    others.signal.addEventListener('abort', () => clearInterval(timer));
    attempt();
  }).finally(() => signal?.removeEventListener('abort', abort));
}

/**
 * A connected socket: paused, half-open, without Nagle's delay.
 * @throws {DialError} if there is no connection in time, or the signal aborts.
 */
export function dial(address: Address, options: DialOptions): Promise<Socket> {
  const { signal } = options;
  return new Promise<Socket>((resolve, reject) => {
    const cancel = startDial(address, options, (outcome) => {
      signal?.removeEventListener('abort', cancel);
      if (outcome instanceof DialError) reject(outcome);
      else resolve(outcome);
    });
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
  });
}

/**
 * As `dial`, without a promise or a signal.
 * @returns ends the attempt, if it has not ended
 */
export function startDial(
  address: Address,
  options: Pick<DialOptions, 'localAddress' | 'timeout'>,
  onDone: (outcome: Socket | DialError) => void,
): () => void {
  const socket = connect({
    ...(address.kind === 'unix'
      ? { path: address.path }
      : { host: address.host ?? 'localhost', port: address.port }),
    ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEPALIVE_DELAY,
  });
  socket.pause();
  let isDone = false;
  const timer = setTimeout(() => giveUp('ETIMEDOUT'), options.timeout);
  socket.on('error', onError);
  socket.on('connect', onConnect);
  return () => giveUp('ABORT_ERR');

  function settle(outcome: Socket | DialError): void {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    // The socket outlives its dial, and must not keep what belongs to it.
    socket.off('error', onError);
    socket.off('connect', onConnect);
    socket.on('error', ignore);
    onDone(outcome);
  }

  function onConnect(): void {
    settle(socket);
  }

  function onError(error: NodeJS.ErrnoException): void {
    settle(new DialError(address, codeOf(error), error));
  }

  function giveUp(code: string): void {
    if (isDone) return;
    socket.destroy();
    settle(new DialError(address, code));
  }
}

function ignore(): void {}

function bind(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const onListening = (): void => {
      server.off('error', reject);
      resolve();
    };
    if (address.kind === 'unix') server.listen({ path: address.path }, onListening);
    // Without a host, Node takes `::` for both families, and 0.0.0.0 where there is no IPv6.
    else if (address.host === null) server.listen({ port: address.port }, onListening);
    else server.listen({ host: address.host, port: address.port }, onListening);
  });
}

/** Removes a socket file that its owner left behind; true if binding is worth another try. */
async function removeStale(address: Address, error: unknown): Promise<boolean> {
  if (address.kind !== 'unix' || codeOf(error) !== 'EADDRINUSE') return false;
  try {
    if (!lstatSync(address.path).isSocket()) return false;
    const socket = await dial(address, { timeout: STALE_PROBE_TIMEOUT });
    socket.destroy();
    return false; // somebody answers
  } catch (failure) {
    if (!(failure instanceof DialError) || failure.kind !== 'refused') return false;
  }
  try {
    unlinkSync(address.path);
    return true;
  } catch {
    return false;
  }
}

function boundAddress(server: Server, address: Address): string {
  const bound = server.address();
  if (address.kind === 'unix' || bound === null || typeof bound === 'string') {
    return formatAddress(address);
  }
  return formatAddress({ kind: 'tcp', host: bound.address, port: bound.port });
}

/** Where a socket comes from, as `HOST:PORT`; a unix socket has no name to tell. */
export function peerOf(socket: AnySocket): string {
  if (socket instanceof BareSocket) return socket.peer;
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return 'unnamed';
  return formatAddress({ kind: 'tcp', host: remoteAddress, port: remotePort });
}
