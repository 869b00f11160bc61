import { type ExitConfig, workerCount } from '../../app/config.ts';
import type { Address } from '../../core/address.ts';
import type { Io } from '../io.ts';
import type { ExitChoice } from '../options.ts';
import { findKey } from '../secrets.ts';
import { loggerFor, serve } from './serve.ts';

export function exit(
  io: Io,
  listen: Address,
  choice: ExitChoice,
  isAdminNamed: boolean,
): Promise<number> {
  const logger = loggerFor(io, choice);
  const config: ExitConfig = {
    listen,
    to: choice.to,
    connectTimeout: choice.connectTimeout,
    key: findKey(choice.keyFile, io.env, logger),
    plain: choice.plain ?? false,
    scheduler: choice.scheduler,
    memory: choice.memory,
    resume: choice.resume,
    busyPoll: choice.busyPoll,
  };
  const workers = workerCount(choice.workers, choice.memory);
  return serve(io, choice, isAdminNamed, logger, async () => {
    if (workers > 1) {
      const { startPrimary } = await import('../../app/workers/primary.ts');
      return startPrimary({ role: 'exit', config }, workers, choice, logger);
    }
    const { startExit } = await import('../../app/exit.ts');
    return startExit(config, logger);
  });
}
