import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress } from '../../core/address.ts';
import type { Logger } from '../../core/log.ts';
import { codeOf, ListenError } from '../../sys/net-error.ts';
import { refusal } from './access.ts';
import { type AdminConfig, PORT_TRIES, type TcpAddress } from './config.ts';
import { failure, type Reply } from './reply.ts';
import { type AdminSubject, answer } from './routes.ts';

export interface AdminServer {
  /** `http://HOST:PORT`, with the port that was found free. */
  readonly url: string;
  /** Ends all connections; resolves when nothing is left. */
  close(): Promise<void>;
}

/**
 * Tells about a running proxy, and takes orders, over HTTP: docs/CLI.md has the routes.
 * @throws {ListenError} if neither the port nor the next ones can be bound.
 */
export async function startAdmin(
  config: AdminConfig,
  subject: AdminSubject,
  logger: Logger,
): Promise<AdminServer> {
  const server = createServer(serverLimits, (request, response) => {
    void serve(request, response, config.token, subject, logger);
  });
  server.maxConnections = 64;
  const bound = await bind(server, config.listen);
  server.on('error', (error) => logger.warn('admin server', { cause: error.message }));
  return {
    url: `http://${formatAddress(bound)}`,
    async close() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  token: string | null,
  subject: AdminSubject,
  logger: Logger,
): Promise<void> {
  response.on('error', () => {});
  const [path = '/'] = (request.url ?? '/').split('?');
  try {
    const refused = refusal(request, path, token);
    send(response, refused ?? (await answer(request.method ?? 'GET', path, subject)));
  } catch (error) {
    logger.error('admin request failed', { path, cause: String(error) });
    send(response, failure(500, 'internal error; the log has more'));
  }
}

function send(response: ServerResponse, { status, body, headers }: Reply): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(text);
}

/** The first free port from the wanted one on. */
async function bind(server: Server, wanted: TcpAddress): Promise<TcpAddress> {
  const { port, host } = wanted;
  const last = port === 0 ? 0 : Math.min(port + PORT_TRIES, 65_535);
  for (let next = port; ; next += 1) {
    try {
      server.listen(host === null ? { port: next } : { host, port: next });
      await once(server, 'listening');
      const { address, port: bound } = server.address() as AddressInfo;
      return { kind: 'tcp', host: host === null ? null : address, port: bound };
    } catch (error) {
      if (next < last && codeOf(error) === 'EADDRINUSE') continue;
      throw new ListenError(wanted, error);
    }
  }
}

/** Against clients that are slow on purpose; times in ms, sizes in bytes. */
const serverLimits = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8 * 1024,
} as const;
