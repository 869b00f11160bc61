import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { formatAddress } from '../core/address.ts';
import { formatDuration } from '../core/units.ts';
import { TlsError } from './tls-error.ts';

export interface TlsOptions {
  /** ms for the whole handshake, and for the dial if that is still going on. */
  readonly timeout: number;
}

/** What a handshake knows of its socket, and how it ends; only the first end counts. */
export interface Handshake {
  /** The peer's address, for messages. */
  readonly peer: string;
  succeed(secure: TLSSocket): void;
  fail(error: Error): void;
}

/**
 * Runs one handshake over a connected socket, with a deadline. Whatever dies, and whenever, the
 * promise settles once; if it rejects, the socket is destroyed and no timer is left.
 */
export function attempt(
  socket: Socket,
  options: TlsOptions,
  classify: (peer: string, error: Error) => TlsError,
  begin: (handshake: Handshake) => void,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    let isSettled = false;
    const timer = setTimeout(() => fail(late(peerOf(socket), options.timeout)), options.timeout);
    // OpenSSL would wait for the rest of a handshake whose sender has ended: not with half-close off.
    socket.allowHalfOpen = false;
    socket.setNoDelay(true);
    // For good: TLS tells its own owner of the socket's errors, and nobody else listens to them.
    socket.on('error', fail);
    socket.once('close', onClose);
    if (socket.destroyed) onClose();
    else if (socket.connecting) socket.once('connect', start);
    else start();

    function start(): void {
      begin({ peer: peerOf(socket), succeed, fail });
    }

    function succeed(secure: TLSSocket): void {
      // Invariant: a connection counts as encrypted only if the PSK made it so.
      if (!secure.isSessionReused()) fail(new Error('it shook hands without the key'));
      if (isSettled) return;
      settle();
      socket.allowHalfOpen = true;
      secure.allowHalfOpen = true;
      secure.on('error', () => {});
      resolve(secure);
    }

    function fail(error: Error): void {
      if (isSettled) return;
      const failure = error instanceof TlsError ? error : classify(peerOf(socket), error);
      settle();
      socket.destroy();
      reject(failure);
    }

    function onClose(): void {
      fail(closed());
    }

    function settle(): void {
      isSettled = true;
      clearTimeout(timer);
      socket.off('close', onClose);
    }
  });
}

/** The connection ended without an error of its own. */
export function closed(): Error {
  return Object.assign(new Error('closed'), { code: 'ECONNRESET' });
}

function late(peer: string, timeout: number): TlsError {
  return new TlsError(
    'timeout',
    `${peer} did not finish the TLS handshake within ${formatDuration(timeout)}`,
  );
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined || remotePort === undefined) return 'the peer';
  return formatAddress({ kind: 'tcp', host: remoteAddress, port: remotePort });
}
