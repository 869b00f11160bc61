import { type AdminAnswer, askAdmin } from '../../app/admin/client.ts';
import type { TcpAddress } from '../../app/admin/config.ts';
import { formatAddress } from '../../core/address.ts';
import { UsageError } from '../../core/usage-error.ts';
import { ExitStatus } from '../../sys/proc.ts';
import { acceptedBody, findProcesses } from '../find-process.ts';
import { complain, type Io, print } from '../io.ts';
import type { AdminChoice } from '../options.ts';
import { findToken } from '../secrets.ts';
import { namedAdmin, unreachable } from './status.ts';

export function addLane(io: Io, choice: AdminChoice): Promise<number> {
  return order(io, choice, '/api/v1/lanes/add', (id) => `lane ${id} is up`);
}

export function endLane(
  io: Io,
  verb: 'drain' | 'remove',
  id: number,
  choice: AdminChoice,
): Promise<number> {
  const done = verb === 'drain' ? 'is draining' : 'is removed';
  return order(io, choice, `/api/v1/lanes/${id}/${verb}`, () => `lane ${id} ${done}`);
}

async function order(
  io: Io,
  choice: AdminChoice,
  path: string,
  result: (id: unknown) => string,
): Promise<number> {
  const token = findToken(choice.adminTokenFile, io.env, null);
  try {
    const admin = namedAdmin(choice) ?? (await theOnlyEntry(token));
    const answer = await askAdmin(admin, 'POST', path, token, PATIENCE);
    if (answer.status === 409) return refuse(io, answer);
    const body = acceptedBody(admin, answer);
    print(io, result((body as { id?: unknown }).id));
    return ExitStatus.done;
  } catch (error) {
    return unreachable(io, error);
  }
}

async function theOnlyEntry(token: string | null): Promise<TcpAddress> {
  const found = await findProcesses(undefined, token);
  const [entry, second] = found.filter(({ status }) => status.role === 'entry');
  if (entry === undefined) throw new UsageError('no entry is running; only an entry has lanes');
  if (second === undefined) return entry.admin;
  throw new UsageError(
    `several entries are running: say which with --admin, as in --admin ${formatAddress(entry.admin)}`,
  );
}

function refuse(io: Io, { body }: AdminAnswer): number {
  complain(io, String((body as { error?: unknown }).error));
  return ExitStatus.failure;
}

/** ms: a new lane is dialled before the answer comes. */
const PATIENCE = 15_000;
