import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { equal } from '../../sys/crypto.ts';
import { isLoopback } from './config.ts';
import { failure, type Reply } from './reply.ts';

/**
 * Who may ask. With a token: who knows it. Without one the server is on loopback, so whoever is on
 * this machine; a web page is not, although its browser is, and gives itself away:
 *
 *  - a name that was made to point at 127.0.0.1 ("DNS rebinding") stands in `Host`;
 *  - a page of another site that posts here stands in `Origin`.
 *
 * Null lets the request pass.
 */
export function refusal(
  request: IncomingMessage,
  path: string,
  token: string | null,
): Reply | null {
  const { host, origin, authorization } = request.headers;
  if (origin !== undefined && request.method === 'POST' && origin !== `http://${host}`) {
    return failure(403, `requests from ${origin} are not taken`);
  }
  if (token !== null) {
    // A probe that only asks whether the process lives learns nothing else.
    if (path === '/healthz' || hasToken(authorization, token)) return null;
    return failure(401, 'this server asks for its token', { 'www-authenticate': 'Bearer' });
  }
  const name = /^(\[[^\]]*\]|[^:]*)(:\d*)?$/.exec(host ?? '')?.[1] ?? '';
  if (isLoopback(name.replace(/^\[|\]$/g, ''))) return null;
  return failure(403, 'ask by the name localhost or a loopback address');
}

function hasToken(authorization: string | undefined, token: string): boolean {
  const [, given] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
  return given !== undefined && equal(digest(given), digest(token));
}

/** Digests have one length, so that the comparison tells nothing of the token's. */
function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
