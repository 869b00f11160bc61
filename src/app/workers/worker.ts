import type { Socket } from 'node:net';
import type { LogFields, Logger } from '../../core/log.ts';
import { tuneV8 } from '../../sys/engine.ts';
import { createLogger } from '../../sys/log.ts';
import { ExitStatus, endProcess, processEvents } from '../../sys/proc.ts';
import { type EntryService, startEntry } from '../entry.ts';
import { startExit } from '../exit.ts';
import type { Service } from '../service.ts';
import type { ProxyStatus } from '../status.ts';
import { Door } from './door.ts';
import type { Answers, Order, Question, Report, WorkerPlan } from './messages.ts';

/**
 * The program of a worker process: an entry or exit without a port and an admin server of its own. Its
 * primary hands connections over to it, asks it, and ends it; without a primary it ends by itself.
 */
class Worker {
  readonly #door = new Door();
  #service: Service | EntryService | null = null;
  #isClosing = false;
  #lastTaken = 0;
  #confirming: NodeJS.Timeout | null = null;

  obey(order: Order, socket: Socket | undefined): void {
    switch (order.kind) {
      case 'start':
        this.#start(order.plan);
        break;
      case 'connection':
        // A connection that ended on the way comes without its socket.
        if (socket !== undefined) this.#door.enter(socket, Buffer.from(order.head, 'base64'));
        this.#confirm(order.id);
        break;
      case 'ask':
        void this.#answer(order.id, order.question, order.lane);
        break;
      case 'close':
        void this.close();
        break;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#confirming !== null) clearTimeout(this.#confirming);
    await this.#service?.close();
    if (process.connected) process.disconnect();
    endProcess(ExitStatus.done);
  }

  /** For all that come within a moment at once: a message costs as much as a small connection. */
  #confirm(id: number): void {
    this.#lastTaken = id;
    this.#confirming ??= setTimeout(() => {
      this.#confirming = null;
      report({ kind: 'taken', id: this.#lastTaken });
    }, CONFIRM_AFTER);
  }

  #start({ number, proxy, log, ...plan }: WorkerPlan): void {
    const key = new Uint8Array(Buffer.from(plan.key, 'base64'));
    const logger = numbered(
      createLogger({
        level: log.logLevel,
        format: log.logFormat,
        out: process.stderr,
        env: process.env,
      }),
      number,
    );
    processEvents.onUncaught((error) => {
      const cause = error instanceof Error ? error.stack : String(error);
      logger.error('a bug: an error that nobody expected; the worker ends', { cause });
      process.exit(ExitStatus.failure);
    });
    const { accept } = this.#door;
    // Neither waits for anything before it calls `accept`, so no connection comes too early.
    const starting =
      proxy.role === 'entry'
        ? startEntry({ ...proxy.config, key }, logger, accept)
        : startExit({ ...proxy.config, key }, logger, accept);
    void starting.then((service) => {
      this.#service = service;
      report({ kind: 'ready' });
    });
  }

  async #answer(id: number, question: Question, lane: number): Promise<void> {
    try {
      report({ kind: 'answer', id, value: await this.#find(question, lane) });
    } catch (error) {
      report({ kind: 'failure', id, message: error instanceof Error ? error.message : `${error}` });
    }
  }

  async #find(question: Question, lane: number): Promise<Answers[Question]> {
    const service = this.#service;
    if (service === null) throw new Error('the worker is not up yet');
    if (question === 'status') return service.status() as ProxyStatus;
    if (question === 'readiness') return service.readiness();
    if (question === 'drain') {
      await service.drain();
      return null;
    }
    if (!('lanes' in service)) throw new Error('lanes are the business of an entry');
    if (question === 'addLane') return service.lanes.add();
    if (question === 'drainLane') service.lanes.drain(lane);
    else service.lanes.remove(lane);
    return null;
  }
}

/** ms. Until then the primary holds a connection, too, so that an RST has to wait. */
const CONFIRM_AFTER = 5;

/** A primary that is gone needs no report. */
function report(message: Report): void {
  process.send?.(message, undefined, undefined, () => {});
}

/** The same log, each line with the worker's number. */
function numbered(logger: Logger, worker: number): Logger {
  const say =
    (level: keyof Logger) =>
    (message: string, fields?: LogFields): void =>
      logger[level](message, { worker, ...fields });
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
}

tuneV8();
const worker = new Worker();
// A terminal sends its signals to all processes; what they mean is the primary's to say.
processEvents.onStop(() => {});
process.on('message', (order: Order, socket: Socket | undefined) => worker.obey(order, socket));
process.on('disconnect', () => void worker.close());
