import { type EntryConfig, workerCount } from '../../app/config.ts';
import type { Address } from '../../core/address.ts';
import type { Io } from '../io.ts';
import type { EntryChoice } from '../options.ts';
import { findKey } from '../secrets.ts';
import { loggerFor, serve } from './serve.ts';

export function entry(
  io: Io,
  listen: Address,
  choice: EntryChoice,
  isAdminNamed: boolean,
): Promise<number> {
  const logger = loggerFor(io, choice);
  const config: EntryConfig = {
    listen,
    exits: choice.exit,
    from: choice.from,
    lanes: choice.lanes,
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
      return startPrimary({ role: 'entry', config }, workers, choice, logger);
    }
    const { startEntry } = await import('../../app/entry.ts');
    return startEntry(config, logger);
  });
}
