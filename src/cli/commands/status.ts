import { AdminUnreachable } from '../../app/admin/client.ts';
import type { TcpAddress } from '../../app/admin/config.ts';
import { formatAddress } from '../../core/address.ts';
import { UsageError } from '../../core/usage-error.ts';
import { ExitStatus } from '../../sys/proc.ts';
import { findProcesses } from '../find-process.ts';
import { complain, type Io, print } from '../io.ts';
import type { AdminChoice, StatusChoice } from '../options.ts';
import { findToken } from '../secrets.ts';
import { renderStatus } from '../status-view.ts';

export async function status(io: Io, choice: StatusChoice): Promise<number> {
  const token = findToken(choice.adminTokenFile, io.env, null);
  try {
    const [{ admin, status }, ...others] = await findProcesses(namedAdmin(choice), token);
    print(io, choice.json ? JSON.stringify(status, null, 2) : renderStatus(status));
    for (const other of others) {
      const where = formatAddress(other.admin);
      complain(
        io,
        `this was ${formatAddress(admin)}; for the ${other.status.role}: --admin ${where}`,
      );
    }
    return ExitStatus.done;
  } catch (error) {
    return unreachable(io, error);
  }
}

/** @throws {UsageError} */
export function namedAdmin({ admin }: AdminChoice): TcpAddress | undefined {
  if (admin === 'off') throw new UsageError('--admin off leaves nobody to ask; give it an address');
  return admin;
}

/** The exit status for an error of asking; others go on. */
export function unreachable(io: Io, error: unknown): number {
  if (!(error instanceof AdminUnreachable)) throw error;
  complain(io, error.message);
  return ExitStatus.peer;
}
