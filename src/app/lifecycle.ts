import type { Logger } from '../core/log.ts';
import { formatDuration } from '../core/units.ts';
import { ListenError } from '../sys/net-error.ts';
import { ExitStatus, type ProcessEvents, statusOfSignal } from '../sys/proc.ts';
import type { AdminConfig } from './admin/config.ts';
import type { AdminSubject, LaneControl } from './admin/routes.ts';
import type { AdminServer } from './admin/server.ts';
import type { Readiness, Service } from './service.ts';
import type { Status } from './status.ts';

export interface Run {
  start(): Promise<ManagedService>;
  /** Called once all of it is up, and announced. */
  readonly onUp?: () => void;
  readonly admin: AdminConfig | null;
  /** ms that connections have to end by themselves after the first request to stop. */
  readonly drain: number;
  readonly logger: Logger;
  /** Takes the results, line by line. */
  readonly print: (line: string) => void;
  readonly events: ProcessEvents;
}

/** A service, or one that has to ask others how it is. */
export interface ManagedService extends Omit<Service, 'status' | 'readiness'> {
  status(): Status | Promise<Status>;
  readiness(): Readiness | Promise<Readiness>;
  readonly lanes?: LaneControl;
}

/**
 * Runs a service from its start to its end, and answers the exit status:
 *
 *     start --> serve -- stop --> drain -- all ended --> close, 0
 *       |         |                 |----- time over --> close, 5
 *       |         |                 `----- stop again -> close, 128 + signal
 *       |         `- SIGQUIT: close, 131.   An uncaught error, at any time: close, 1
 *       `- cannot bind: 3.   Any other failure: 1.   Stop: 0
 *
 * Closing cuts with RST what is still open, so that no application takes it for an end.
 */
export async function runService(run: Run): Promise<number> {
  const interrupts = watch(run);
  const running = new Running(run.logger);
  try {
    const early = await Promise.race([running.start(run), interrupts.stop, interrupts.cut]);
    if (early === 'stop') return ExitStatus.done;
    if (early !== 'started') return early;
    await running.announce(run);
    run.onUp?.();
    const end = await Promise.race([interrupts.stop, interrupts.cut]);
    if (end !== 'stop') return end;
    return await running.drain(run.drain, interrupts.cut);
  } catch (error) {
    return statusOf(error, run.logger);
  } finally {
    await running.close();
    interrupts.ignore();
  }
}

interface Interrupts {
  /** The first request to stop. */
  readonly stop: Promise<'stop'>;
  /** The order to end now, with this exit status. */
  readonly cut: Promise<number>;
  ignore(): void;
}

function watch({ events, logger }: Run): Interrupts {
  let stopping = false;
  let offStop = (): void => {};
  let offUncaught = (): void => {};
  let onStop: (stop: 'stop') => void;
  const stop = new Promise<'stop'>((resolve) => {
    onStop = resolve;
  });
  const cut = new Promise<number>((resolve) => {
    offStop = events.onStop((signal) => {
      if (stopping || signal === 'SIGQUIT') return resolve(statusOfSignal(signal));
      stopping = true;
      onStop('stop');
    });
    offUncaught = events.onUncaught((error) => {
      const cause = error instanceof Error ? error.stack : String(error);
      logger.error('a bug: an error that nobody expected; ending', { cause });
      resolve(ExitStatus.failure);
    });
  });
  return {
    stop,
    cut,
    ignore() {
      offStop();
      offUncaught();
    },
  };
}

/** The service and its admin server, as far as they have come up. */
class Running {
  readonly #logger: Logger;
  #service: ManagedService | null = null;
  #admin: AdminServer | null = null;
  #isStopping = false;
  #isClosed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  async start(run: Run): Promise<'started'> {
    this.#service = await run.start();
    // It was told to end before it was up.
    if (this.#isClosed) await this.close();
    return 'started';
  }

  async announce(run: Run): Promise<void> {
    const service = this.#service!;
    for (const address of service.listen) run.print(`listening on ${address}`);
    if (run.admin !== null) this.#admin = await this.#startAdmin(run.admin, service);
    if (this.#admin !== null) run.print(`admin at ${this.#admin.url}`);
  }

  async drain(limit: number, cut: Promise<number>): Promise<number> {
    const service = this.#service!;
    this.#isStopping = true;
    const drained = service.drain().then(() => ExitStatus.done);
    // Said only now, when nothing more is accepted.
    this.#logger.info('stopping: connections may end by themselves; a second signal cuts them', {
      connections: activeConnections(await service.status()),
      within: formatDuration(limit),
    });
    const status = await within(limit, [drained, cut], ExitStatus.drainExpired);
    if (status === ExitStatus.drainExpired) {
      const connections = activeConnections(await service.status());
      this.#logger.warn('the time to drain is over; cutting what is open', { connections });
    }
    return status;
  }

  /** Never fails, and takes at most `CLOSE_LIMIT`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const parts = [this.#admin?.close(), this.#service?.close()];
    this.#admin = null;
    this.#service = null;
    const results = await within(CLOSE_LIMIT, [Promise.allSettled(parts)], null);
    if (results === null) this.#logger.warn('closing takes too long; leaving');
    for (const result of results ?? []) {
      if (result.status === 'rejected') statusOf(result.reason, this.#logger);
    }
  }

  async #startAdmin(config: AdminConfig, service: ManagedService): Promise<AdminServer | null> {
    const { startAdmin } = await import('./admin/server.ts');
    const subject: AdminSubject = {
      status: () => service.status(),
      readiness: () =>
        this.#isStopping
          ? { ready: false, reason: 'it was told to stop, and takes no new connections' }
          : service.readiness(),
      ...(service.lanes === undefined ? {} : { lanes: service.lanes }),
    };
    try {
      return await startAdmin(config, subject, this.#logger);
    } catch (error) {
      if (config.required || !(error instanceof ListenError)) throw error;
      this.#logger.warn('running without an admin server', { cause: error.message });
      return null;
    }
  }
}

/** Says what failed, in one line of the log. */
function statusOf(error: unknown, logger: Logger): number {
  logger.error(error instanceof Error ? error.message : String(error));
  if (error instanceof Error) logger.debug('the failure came from', { stack: error.stack });
  return error instanceof ListenError ? ExitStatus.bind : ExitStatus.failure;
}

function activeConnections(status: Status): number {
  if (status.role === 'relay') return status.connections.active;
  return status.sessions.reduce((sum, { channels }) => sum + channels.active, 0);
}

/** The first to be settled of `works`, or `late` after `ms`. */
async function within<T>(ms: number, works: readonly Promise<T>[], late: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<T>((resolve) => {
    timer = setTimeout(resolve, ms, late);
  });
  try {
    return await Promise.race([...works, over]);
  } finally {
    clearTimeout(timer);
  }
}

/** Between the order to close and giving up on it, ms. */
const CLOSE_LIMIT = 2_000;
