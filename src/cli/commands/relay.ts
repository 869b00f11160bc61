import type { RelayConfig } from '../../app/config.ts';
import type { Address } from '../../core/address.ts';
import type { Io } from '../io.ts';
import type { RelayChoice } from '../options.ts';
import { loggerFor, serve } from './serve.ts';

export function relay(
  io: Io,
  listen: Address,
  choice: RelayChoice,
  isAdminNamed: boolean,
): Promise<number> {
  const logger = loggerFor(io, choice);
  const { to, connectTimeout, memory, busyPoll } = choice;
  const config: RelayConfig = { listen, to, connectTimeout, memory, busyPoll };
  return serve(io, choice, isAdminNamed, logger, async () => {
    const { startRelay } = await import('../../app/relay.ts');
    return startRelay(config, logger);
  });
}
