import { type AdminAnswer, AdminUnreachable, askAdmin } from '../app/admin/client.ts';
import { PORT_TRIES, parseAdmin, type TcpAddress } from '../app/admin/config.ts';
import { defaults } from '../app/config.ts';
import type { Status } from '../app/status.ts';
import { formatAddress } from '../core/address.ts';
import { assert } from '../core/assert.ts';

/** A running entry, exit or relay, found by its admin server. */
export interface FoundProcess {
  readonly admin: TcpAddress;
  readonly status: Status;
}

/**
 * The process behind `admin`; without it, all that answer on the default ports, in their order.
 * @throws {AdminUnreachable} if there is none.
 */
export async function findProcesses(
  admin: TcpAddress | undefined,
  token: string | null,
): Promise<[FoundProcess, ...FoundProcess[]]> {
  if (admin !== undefined) return [await look(admin, token)];
  const looks = await Promise.allSettled(defaultAdmins().map((address) => look(address, token)));
  const [first, ...rest] = looks.flatMap((l) => (l.status === 'fulfilled' ? [l.value] : []));
  if (first !== undefined) return [first, ...rest];
  // A process that is there and wants its token says more than ports where nobody is.
  const refusal = looks.map((l) => (l.status === 'rejected' ? l.reason : null));
  throw refusal.find((reason) => reason instanceof TokenNeeded) ?? new AdminUnreachable(nobody());
}

/**
 * What an answer holds when it is a success.
 * @throws {AdminUnreachable}
 */
export function acceptedBody(admin: TcpAddress, { status, body }: AdminAnswer): unknown {
  if (status === 401) throw new TokenNeeded(formatAddress(admin));
  if (status === 200) return body;
  throw new AdminUnreachable(`${formatAddress(admin)} answers ${status}: ${errorOf(body)}`);
}

async function look(admin: TcpAddress, token: string | null): Promise<FoundProcess> {
  const answer = await askAdmin(admin, 'GET', '/api/v1/status', token, PATIENCE);
  const status = acceptedBody(admin, answer);
  if (isStatus(status)) return { admin, status };
  throw new AdminUnreachable(`${formatAddress(admin)} is no admin server of tcp-striper`);
}

class TokenNeeded extends AdminUnreachable {
  constructor(where: string) {
    super(`${where} asks for its token: give --admin-token-file FILE or TCP_STRIPER_ADMIN_TOKEN`);
  }
}

function defaultAdmins(): TcpAddress[] {
  const first = parseAdmin(defaults.admin);
  assert(first !== 'off', 'there is an admin server by default');
  return Array.from({ length: PORT_TRIES + 1 }, (_, n) => ({ ...first, port: first.port + n }));
}

function nobody(): string {
  const ports = defaultAdmins();
  return `no process answers on ${formatAddress(ports[0]!)} to ${ports.at(-1)!.port}; is one running? Name its admin server with --admin ADDR`;
}

function isStatus(body: unknown): body is Status {
  return typeof body === 'object' && body !== null && 'role' in body && 'listen' in body;
}

function errorOf(body: unknown): string {
  const hasError = typeof body === 'object' && body !== null && 'error' in body;
  return hasError ? String(body.error) : JSON.stringify(body);
}

/** ms that a process on this machine has to answer. */
const PATIENCE = 2_000;
