import { UsageError } from './usage-error.ts';

/** Where to listen or dial. `host: null` is "every interface" (IPv6 and IPv4), for listening only. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string | null; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** `[::1]:22`, `host:22`, `unix:/path`: the form that users write and logs show. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const host = address.host ?? '[::]';
  return host.includes(':') && !host.startsWith('[')
    ? `[${host}]:${address.port}`
    : `${host}:${address.port}`;
}

/**
 * Where to listen: `PORT`, `:PORT`, `HOST:PORT`, `[V6]:PORT` or `unix:/path`. A bare port gets
 * `bareHost`; `[::]` is every interface; port 0 lets the system choose.
 * @throws {UsageError}
 */
export function parseListenAddress(text: string, bareHost: string | null): Address {
  const found = parse(text);
  if ('path' in found) return { kind: 'unix', path: found.path };
  const host = found.host === '' ? bareHost : found.host === '::' ? null : found.host;
  return { kind: 'tcp', host, port: found.port };
}

/**
 * Where to connect to: `HOST:PORT`, `[V6]:PORT` or `unix:/path`.
 * @throws {UsageError}
 */
export function parseTargetAddress(text: string): Address {
  const found = parse(text);
  if ('path' in found) return { kind: 'unix', path: found.path };
  if (found.host === '') {
    throw new UsageError(`'${text}' names no host; write it as in localhost:${found.port}`);
  }
  if (found.port === 0) throw new UsageError(`'${text}': nobody can connect to port 0`);
  return { kind: 'tcp', host: found.host, port: found.port };
}

type Parsed = { path: string } | { host: string; port: number };

function parse(text: string): Parsed {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path === '' || path.includes('\0')) {
      throw new UsageError(`'${text}' names no path; write it as in unix:/run/app.sock`);
    }
    return { path };
  }
  if (/^\d+$/.test(text)) return { host: '', port: parsePort(text, text) };
  const colon = text.lastIndexOf(':');
  if (colon < 0 || text.endsWith(']')) {
    throw new UsageError(`'${text}' has no port; write it as in ${text || 'localhost'}:7000`);
  }
  const host = parseHost(text.slice(0, colon), text);
  return { host, port: parsePort(text.slice(colon + 1), text) };
}

function parseHost(host: string, text: string): string {
  if (host === '') return '';
  const [, inner] = /^\[([^[\]]*)\]$/.exec(host) ?? [];
  if (inner !== undefined) {
    if (!/^[0-9a-f:.]*:[0-9a-f:.]*(%[\w.-]+)?$/i.test(inner)) {
      throw new UsageError(`'${text}': '${inner}' is no IPv6 address`);
    }
    return inner;
  }
  if (host.includes(':')) {
    throw new UsageError(`'${text}': write an IPv6 address in brackets, as in [::1]:7000`);
  }
  if (!/^[\p{L}\p{N}._-]+$/u.test(host))
    throw new UsageError(`'${text}': '${host}' is no host name`);
  return host;
}

function parsePort(port: string, text: string): number {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new UsageError(`'${text}': '${port}' is no port; a port is 0 to 65535`);
  }
  return Number(port);
}
