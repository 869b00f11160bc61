import { type Address, formatAddress } from '../core/address.ts';

/** An address could not be bound. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly address: Address;
  readonly code: string;

  constructor(address: Address, cause: unknown) {
    const code = codeOf(cause);
    super(`cannot listen on ${formatAddress(address)}: ${listenAdvice(code, address, cause)}`, {
      cause,
    });
    this.address = address;
    this.code = code;
  }
}

/** A connection could not be made. */
export class DialError extends Error {
  override readonly name = 'DialError';
  readonly address: Address;
  readonly kind: 'refused' | 'timeout' | 'dns' | 'unreachable' | 'aborted' | 'failed';
  /** Node's code, such as `ECONNREFUSED`. */
  readonly code: string;

  constructor(address: Address, code: string, cause?: Error) {
    const { kind, text } = dialFailure(code, cause);
    super(`cannot connect to ${formatAddress(address)}: ${text}`, { cause });
    this.address = address;
    this.kind = kind;
    this.code = code;
  }
}

/** Node's code; where several addresses were tried, a refusal says more than the rest. */
export function codeOf(error: unknown): string {
  if (error instanceof AggregateError) {
    const codes = error.errors.map(codeOf);
    return codes.find((code) => code === 'ECONNREFUSED') ?? codes.at(-1) ?? 'UNKNOWN';
  }
  if (error instanceof Error && 'code' in error && typeof error.code === 'string')
    return error.code;
  return 'UNKNOWN';
}

function listenAdvice(code: string, address: Address, cause: unknown): string {
  switch (code) {
    case 'EADDRINUSE':
      return address.kind === 'unix'
        ? 'the path is in use; stop what listens there, or choose another path'
        : 'the port is in use; stop what listens there, or choose another port';
    case 'EACCES':
    case 'EPERM':
      return address.kind === 'unix'
        ? 'permission denied; choose a path in a folder that you may write'
        : 'permission denied; choose a port of 1024 or above, or run with the right to bind it';
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address; choose one of its own';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name cannot be resolved; give an IP address';
    case 'ENOENT':
      return 'the folder of the path does not exist; create it first';
    default:
      return cause instanceof Error ? cause.message : code;
  }
}

function dialFailure(
  code: string,
  cause: Error | undefined,
): { kind: DialError['kind']; text: string } {
  switch (code) {
    case 'ECONNREFUSED':
      return { kind: 'refused', text: 'connection refused (nobody listens there)' };
    case 'ENOENT':
      return { kind: 'refused', text: 'no such socket file (nobody listens there)' };
    case 'ETIMEDOUT':
      return { kind: 'timeout', text: 'no answer in time' };
    case 'ENOTFOUND':
      return { kind: 'dns', text: 'the host name does not exist' };
    case 'EAI_AGAIN':
      return { kind: 'dns', text: 'the name server does not answer' };
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return { kind: 'unreachable', text: 'no route to the host' };
    case 'EADDRNOTAVAIL':
      return { kind: 'failed', text: 'this machine has not the local address to dial from' };
    case 'ABORT_ERR':
      return { kind: 'aborted', text: 'given up' };
    default:
      return { kind: 'failed', text: cause?.message ?? code };
  }
}
