import type { Socket } from 'node:net';
import * as tls from 'node:tls';
import { equal, hkdfSha256, randomBytes } from './crypto.ts';
import { attempt, closed, type TlsOptions } from './tls-attempt.ts';
import { clientFailure, serverFailure, wrongKey } from './tls-error.ts';

/**
 * TLS 1.3 with the shared key as external PSK: both ends prove that they hold it, every connection
 * has forward secrecy, and there are no certificates and no resumption.
 *
 * The key itself never enters TLS: the PSK and its identity are derived from it. The exit answers an
 * unknown identity with a random PSK, so that a stranger cannot tell whether it hit a known one.
 */

/**
 * Encrypts a socket that this end has dialled, or is dialling. The result has half-close and no
 * delay, and an error of it never goes unheard: it shows in `errored` when nobody listens yet.
 * @throws {TlsError} with the socket destroyed.
 */
export function secureClient(
  socket: Socket,
  key: Uint8Array,
  options: TlsOptions & {
    /** Sent in the clear behind the identity of the key; ASCII. */
    readonly identitySuffix?: string;
  },
): Promise<tls.TLSSocket> {
  const offered = identity(key) + (options.identitySuffix ?? '');
  return attempt(socket, options, clientFailure, ({ succeed, fail }) => {
    const secure = tls.connect({
      ...pinned,
      socket,
      ca: [], // No certificate is good, whoever signed it.
      checkServerIdentity: () => new Error('a certificate instead of the key'),
      pskCallback: () => ({ psk: preSharedKey(key), identity: offered }),
    });
    secure.once('secureConnect', () => succeed(secure));
    secure.once('error', fail);
    secure.once('close', () => fail(closed()));
  });
}

/**
 * Encrypts a socket that this end has accepted; see `secureClient`. If something was read of it and put
 * back, every other read will be a small one: it sizes the first buffer of Node's ring, which stays.
 * @throws {TlsError} with the socket destroyed.
 */
export function secureServer(
  socket: Socket,
  key: Uint8Array,
  options: TlsOptions,
): Promise<tls.TLSSocket> {
  return attempt(socket, options, serverFailure, ({ peer, succeed, fail }) => {
    let cause: Error | null = null;
    // Node says whose handshake failed only through a server: so each socket gets its own.
    const server = tls.createServer({
      ...pinned,
      pskCallback: (_, offered) => {
        const known = Buffer.from(identity(key));
        if (equal(Buffer.from(offered).subarray(0, known.length), known)) return preSharedKey(key);
        cause = wrongKey(peer);
        return randomBytes(PSK_BYTES);
      },
    });
    server.once('secureConnection', succeed);
    server.once('tlsClientError', (error) => fail(cause ?? error));
    server.emit('connection', socket);
  });
}

/** 32 bytes that both ends of this TLS connection know, and nobody else: ties what is said inside to it. */
export function channelBinding(socket: tls.TLSSocket): Uint8Array {
  return new Uint8Array(socket.exportKeyingMaterial(32, 'EXPORTER-tcp-striper', Buffer.alloc(0)));
}

function preSharedKey(key: Uint8Array): Uint8Array {
  return hkdfSha256(key, 'tcp-striper tls psk', PSK_BYTES);
}

/** It is sent in the clear, and says nothing but "the same key as last time". */
function identity(key: Uint8Array): string {
  return Buffer.from(hkdfSha256(key, 'tcp-striper tls identity', 16)).toString('hex');
}

const PSK_BYTES = 32;

/** The PSK is bound to SHA-256; a SHA-384 suite would make OpenSSL fail with a misleading error. */
const pinned = {
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256',
} as const;
