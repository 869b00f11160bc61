/**
 * Why a TLS handshake failed:
 *  - `wrong-key`: both ends are tcp-striper, with different keys.
 *  - `plain-peer`: the peer speaks, but not TLS.
 *  - `foreign-peer`: the peer is no tcp-striper.
 *  - `timeout`: it did not finish in time.
 *  - `reset`: the peer, or the way to it, ended the connection.
 *  - `unreachable`: the dial before it failed.
 */
export type TlsFailure =
  | 'wrong-key'
  | 'plain-peer'
  | 'foreign-peer'
  | 'timeout'
  | 'reset'
  | 'unreachable';

/** A handshake that failed; the message is one line for a human and names the peer. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
  readonly code: TlsFailure;

  constructor(code: TlsFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What the entry makes of an error of its handshake. */
export function clientFailure(peer: string, error: Error): TlsError {
  const code = codeOf(error);
  const cause = { cause: error };
  if (wrongKeyAlerts.has(reasonOf(error))) return wrongKey(peer, cause);
  if (notTls.has(reasonOf(error))) {
    const text = `${peer} answers without TLS: its exit runs with --plain, or it is no tcp-striper`;
    return new TlsError('plain-peer', text, cause);
  }
  if (dialCalls.has((error as NodeJS.ErrnoException).syscall ?? '')) {
    return new TlsError('unreachable', `cannot connect: ${error.message}`, cause);
  }
  if (brokenConnection.has(code)) {
    const text = `${peer} ended the connection during the TLS handshake (${code}); does its exit run with --plain?`;
    return new TlsError('reset', text, cause);
  }
  return new TlsError('foreign-peer', `${peer} is no tcp-striper exit (${reasonOf(error)})`, cause);
}

/** What the exit makes of an error of its handshake. */
export function serverFailure(peer: string, error: Error): TlsError {
  const code = codeOf(error);
  const cause = { cause: error };
  if (reasonOf(error) === 'BINDER_DOES_NOT_VERIFY') return wrongKey(peer, cause);
  if (brokenConnection.has(code)) {
    const text = `${peer} ended the connection during the TLS handshake (${code})`;
    return new TlsError('reset', text, cause);
  }
  if (notTls.has(reasonOf(error))) {
    const text = `${peer} speaks without TLS: its entry runs with --plain, or it is no tcp-striper`;
    return new TlsError('plain-peer', text, cause);
  }
  const text = `${peer} is no tcp-striper entry (${reasonOf(error)})`;
  return new TlsError('foreign-peer', text, cause);
}

export function wrongKey(peer: string, options?: ErrorOptions): TlsError {
  const text = `${peer} has another key; compare the fingerprints that both ends log when they start`;
  return new TlsError('wrong-key', text, options);
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

/** OpenSSL's reason in capitals, as in `BINDER_DOES_NOT_VERIFY`; for other errors their code. */
function reasonOf(error: Error): string {
  return codeOf(error)
    .replace(/^ERR_SSL_/, '')
    .replace(/^(SSLV3|TLSV1|SSL\/TLS)_ALERT_/, 'ALERT_');
}

/** OpenSSL 3.0 (Node 20) and 3.5 (Node 22 and later) answer an unverified binder differently. */
const wrongKeyAlerts = new Set([
  'ALERT_ILLEGAL_PARAMETER',
  'ALERT_DECRYPT_ERROR',
  'ALERT_UNKNOWN_PSK_IDENTITY',
]);

/** HTTP_REQUEST is not among them: no tcp-striper says GET. */
const notTls = new Set(['WRONG_VERSION_NUMBER', 'PACKET_LENGTH_TOO_LONG']);

const dialCalls = new Set(['connect', 'getaddrinfo']);

const brokenConnection = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED']);
