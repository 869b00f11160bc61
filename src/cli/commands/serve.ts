import { checkExposure, isLoopback } from '../../app/admin/config.ts';
import { type ManagedService, runService } from '../../app/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import { tuneV8 } from '../../sys/engine.ts';
import { createLogger } from '../../sys/log.ts';
import { type Io, print } from '../io.ts';
import type { LogChoice, ServiceChoice } from '../options.ts';
import { findToken } from '../secrets.ts';

/** What entry, exit and relay have in common: runs the service, answers the exit status. */
export function serve(
  io: Io,
  choice: ServiceChoice,
  isAdminNamed: boolean,
  logger: Logger,
  start: () => Promise<ManagedService>,
): Promise<number> {
  const token = findToken(choice.adminTokenFile, io.env, logger);
  const { admin = 'off' } = choice;
  const listen = admin === 'off' ? null : admin;
  if (listen !== null && token !== null && !isLoopback(listen.host)) {
    logger.warn('the admin server, and its token, cross the network without encryption');
  }
  return runService({
    start,
    onUp: tuneV8,
    admin: listen && checkExposure({ listen, token, required: isAdminNamed }),
    drain: choice.drain,
    logger,
    print: (line) => print(io, line),
    events: io.events,
  });
}

export function loggerFor(io: Io, choice: LogChoice): Logger {
  return createLogger({
    level: choice.logLevel,
    format: choice.logFormat,
    out: io.err,
    env: io.env,
  });
}
