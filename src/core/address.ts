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
