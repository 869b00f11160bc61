import { type IncomingMessage, request } from 'node:http';
import { formatAddress } from '../../core/address.ts';
import { codeOf } from '../../sys/net-error.ts';
import type { TcpAddress } from './config.ts';

export interface AdminAnswer {
  readonly status: number;
  /** Parsed JSON. */
  readonly body: unknown;
}

/** Nobody answered, or what answered is no admin server of ours. The message is one line. */
export class AdminUnreachable extends Error {
  override readonly name = 'AdminUnreachable';
}

/**
 * Asks the admin server of a running proxy. `timeout` is ms for the whole exchange.
 * @throws {AdminUnreachable}
 */
export async function askAdmin(
  address: TcpAddress,
  method: 'GET' | 'POST',
  path: string,
  token: string | null,
  timeout: number,
): Promise<AdminAnswer> {
  const where = formatAddress(address);
  const deadline = AbortSignal.timeout(timeout);
  try {
    const response = await exchange(address, method, path, token, deadline);
    return { status: response.statusCode ?? 0, body: JSON.parse(await textOf(response)) };
  } catch (error) {
    // A body that is cut by the deadline may look like a short one.
    const why = deadline.aborted ? 'does not answer in time' : reason(error);
    throw new AdminUnreachable(`${where} ${why}`, { cause: error });
  }
}

function exchange(
  { host, port }: TcpAddress,
  method: string,
  path: string,
  token: string | null,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(
      {
        host: host ?? 'localhost',
        port,
        method,
        path,
        agent: false,
        headers: token === null ? {} : { authorization: `Bearer ${token}` },
        signal,
      },
      resolve,
    )
      .on('error', reject)
      .end();
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const part of response) {
    text += part;
    if (text.length > LONGEST) throw new SyntaxError('too long');
  }
  return text;
}

function reason(error: unknown): string {
  const code = codeOf(error);
  if (error instanceof SyntaxError || code.startsWith('HPE_')) {
    return 'is no admin server of tcp-striper';
  }
  switch (code) {
    case 'ECONNREFUSED':
      return 'refuses the connection: nobody listens there';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'cannot be resolved';
    default:
      return `does not answer: ${error instanceof Error ? error.message : code}`;
  }
}

/** Characters; the largest status has some hundred bytes for each of a thousand connections. */
const LONGEST = 16 * 1024 * 1024;
