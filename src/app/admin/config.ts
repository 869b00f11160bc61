import type { Address } from '../../core/address.ts';
import { parseListenAddress } from '../../core/address.ts';
import { UsageError } from '../../core/usage-error.ts';

export type TcpAddress = Extract<Address, { kind: 'tcp' }>;

/** Where the admin server listens, and what it asks of those who come. */
export interface AdminConfig {
  readonly listen: TcpAddress;
  /** The bearer token; without one, whoever is on this machine may ask. */
  readonly token: string | null;
  /** The user named the address: without it there, the process must not run. */
  readonly required: boolean;
}

/**
 * `off` is no admin server. A bare port is on loopback; other machines need the token.
 * @throws {UsageError}
 */
export function parseAdmin(text: string): TcpAddress | 'off' {
  if (text === 'off') return text;
  const address = parseListenAddress(text, '127.0.0.1');
  if (address.kind === 'tcp') return address;
  throw new UsageError(`'${text}' is no HOST:PORT and not 'off'`);
}

/** @throws {UsageError} when other machines could reach a server that asks for nothing. */
export function checkExposure(config: AdminConfig): AdminConfig {
  if (config.token === null && !isLoopback(config.listen.host)) {
    throw new UsageError(
      'an admin server that other machines can reach needs a token: give --admin-token-file FILE, or --admin 127.0.0.1:9478',
    );
  }
  return config;
}

/** @throws {UsageError} */
export function checkToken(token: string, where: string): string {
  if (!/^[\x21-\x7e]{16,512}$/.test(token)) {
    throw new UsageError(
      `${where} holds no token; a token is 16 to 512 visible ASCII characters without spaces`,
    );
  }
  return token;
}

/** Names of this machine that nobody else can be reached by. `null` is every interface. */
export function isLoopback(host: string | null): boolean {
  return host !== null && /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i.test(host);
}

/** A port that is taken is followed by this many more tries, one port up each. */
export const PORT_TRIES = 4;
