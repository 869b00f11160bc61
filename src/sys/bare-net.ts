import { isIP, type Server } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { type Address, formatAddress } from '../core/address.ts';
import { type AnySocket, BareSocket } from './bare-socket.ts';
import { bindings, type Handle } from './bindings.ts';
import {
  KEEPALIVE_DELAY,
  type Listener,
  type ListenOptions,
  listenerOf,
  startDial,
  startServer,
} from './net.ts';
import { DialError } from './net-error.ts';

/**
 * As `listen` of net.ts, for connections that nothing but a pipe will use.
 * @throws {ListenError} if the address cannot be bound.
 */
export async function listenBare(
  address: Address,
  onSocket: (socket: AnySocket) => void,
  options: ListenOptions = {},
): Promise<Listener> {
  const server = await startServer(address, onSocket);
  const crowd = new Crowd();
  takeAccepts(server, (handle) => {
    crowd.enter();
    onSocket(new BareSocket(handle, () => crowd.leave()));
  });
  return listenerOf(server, address, options, () => crowd.gone());
}

/**
 * As `startDial` of net.ts, for connections that nothing but a pipe will use. A host name is looked up by
 * `net.Socket`.
 * @returns ends the attempt, if it has not ended
 */
export function dialBare(
  address: Address,
  options: { /** ms until the attempt is given up. */ readonly timeout: number },
  onDone: (outcome: AnySocket | DialError) => void,
): () => void {
  const begun = beginConnect(address);
  if (begun === null) return startDial(address, options, onDone);
  const { handle, request, error } = begun;
  let isDone = false;
  const timer = setTimeout(() => fail('ETIMEDOUT'), options.timeout);
  request.oncomplete = onAnswer;
  // Whatever is known already is told after the return.
  if (error !== 0) process.nextTick(onAnswer, error);
  return () => fail('ABORT_ERR');

  function onAnswer(status: number): void {
    if (status !== 0) fail(getSystemErrorName(status));
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    prepare(handle);
    onDone(new BareSocket(handle));
  }

  function fail(code: string): void {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    handle.close(() => {});
    const cause = new Error(`connect ${code} ${formatAddress(address)}`);
    onDone(new DialError(address, code, cause));
  }
}

/** Begins to connect; null where that takes a `net.Socket`. */
function beginConnect(address: Address) {
  const classes = bindings();
  if (classes === null) return null;
  if (address.kind === 'unix') {
    const handle = classes.newUnix();
    const request = classes.newConnect(true);
    return { handle, request, error: handle.connect(request, address.path) };
  }
  const { host, port } = address;
  const family = isIP(host ?? '');
  if (host === null || family === 0) return null;
  const handle = classes.newTcp();
  const request = classes.newConnect(false);
  const error =
    family === 4 ? handle.connect(request, host, port) : handle.connect6!(request, host, port);
  return { handle, request, error };
}

/** Makes the server hand over connections before `net.Socket`s are made of them, where that can be. */
function takeAccepts(server: Server, onHandle: (handle: Handle) => void): void {
  // Stated cast: undocumented, and looked at before it is relied on.
  const { _handle: listening } = server as unknown as { _handle: Listening | null };
  if (typeof listening?.onconnection !== 'function') return;
  const usual = listening.onconnection;
  if (inheritsOptions) prepare(listening);
  listening.onconnection = function (status, handle) {
    if (status !== 0 || !bindings()?.isHandle(handle)) return usual.call(this, status, handle);
    if (!inheritsOptions) prepare(handle);
    onHandle(handle);
  };
}

/** Linux gives accepted connections the options of what they were accepted from: five system calls less. */
const inheritsOptions = process.platform === 'linux';

interface Listening extends Pick<Handle, 'setNoDelay' | 'setKeepAlive'> {
  onconnection: (this: Listening, status: number, handle: unknown) => void;
}

/** Without Nagle's delay, and with questions after a long silence. */
function prepare(handle: Pick<Handle, 'setNoDelay' | 'setKeepAlive'>): void {
  handle.setNoDelay?.(true);
  handle.setKeepAlive?.(true, KEEPALIVE_DELAY / 1_000);
}

/** Counts connections, and tells when they are gone. */
class Crowd {
  #size = 0;
  #waiters: (() => void)[] = [];

  enter(): void {
    this.#size += 1;
  }

  leave(): void {
    this.#size -= 1;
    if (this.#size > 0) return;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  gone(): Promise<void> {
    if (this.#size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}
