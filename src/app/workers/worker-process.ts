import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { formatDuration } from '../../core/units.ts';
import { reset } from '../../sys/socket-handle.ts';
import type { Answers, Order, Question, Report, WorkerPlan } from './messages.ts';

/** Connections on their way to one worker; more would come faster than it takes them. */
const MAX_HANDED = 1_024;
/** How long a worker may take to close before it is killed, ms. */
const CLOSE_LIMIT = 1_000;

/** One worker, as its primary sees it, from the fork to the end of the process. */
export class WorkerProcess {
  /** Resolves when it serves. @throws {Error} if it ends before that */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone, with how it ended. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  /** Connections that it has not taken yet; this process keeps hold of them until then. */
  readonly #handed = new Map<number, Socket>();
  readonly #questions = new Map<number, OpenQuestion>();
  #nextId = 1;
  #onReady: () => void = () => {};
  #isClosing = false;

  constructor(plan: WorkerPlan) {
    this.#child = fork(program, [], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve(signal ?? `exit status ${code}`));
      // A process that could not be made has no exit. Errors of its channel come with one.
      this.#child.on('error', (error) => this.pid === null && resolve(error.message));
    });
    this.ready = new Promise((resolve, reject) => {
      this.#onReady = resolve;
      void this.ended.then((how) => {
        reject(new Error(`worker ${plan.number} ended before it was up: ${how}`));
        this.#cleanUp();
      });
    });
    this.#child.on('message', (report: Report) => this.#onReport(report));
    this.#child.on('disconnect', () => {
      // Alone it would be of no use.
      if (!this.#isClosing) this.#child.kill('SIGKILL');
    });
    this.#send({ kind: 'start', plan });
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** Gives a connection away. @returns false if too many wait already; it is then the caller's still */
  hand(socket: Socket, head: Uint8Array): boolean {
    if (this.#handed.size >= MAX_HANDED || !this.#child.connected) return false;
    const id = this.#nextId++;
    this.#handed.set(id, socket);
    // Node itself would close the socket here, and forget it where the worker dies before it has it.
    const options = { keepOpen: true };
    const order: Order = { kind: 'connection', id, head: Buffer.from(head).toString('base64') };
    this.#child.send(order, socket, options, ignore);
    return true;
  }

  /** @throws {Error} what went wrong there, that it ended, or that it took longer than `limit` ms */
  ask<Q extends Question>(
    question: Q,
    limit = Number.POSITIVE_INFINITY,
    lane = 0,
  ): Promise<Answers[Q]> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const late = (): void => {
        this.#questions.delete(id);
        reject(new Error(`a worker gave no answer within ${formatDuration(limit)}`));
      };
      this.#questions.set(id, {
        // Stated cast: a worker answers what it was asked.
        resolve: resolve as (value: Answers[Question]) => void,
        reject,
        timer: Number.isFinite(limit) ? setTimeout(late, limit) : undefined,
      });
      this.#send({ kind: 'ask', id, question, lane });
    });
  }

  /** Ends it: connections get RST. Resolves when the process is gone. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#send({ kind: 'close' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_LIMIT);
    await this.ended;
    clearTimeout(timer);
  }

  #onReport(report: Report): void {
    switch (report.kind) {
      case 'ready':
        this.#onReady();
        break;
      case 'taken':
        this.#onTaken(report.id);
        break;
      case 'answer':
        this.#settle(report.id, ({ resolve }) => resolve(report.value));
        break;
      case 'failure':
        this.#settle(report.id, ({ reject }) => reject(new Error(report.message)));
        break;
    }
  }

  #onTaken(last: number): void {
    for (const [id, socket] of this.#handed) {
      if (id > last) return;
      socket.destroy();
      this.#handed.delete(id);
    }
  }

  #settle(id: number, how: (question: OpenQuestion) => void): void {
    const question = this.#questions.get(id);
    if (question === undefined) return;
    this.#questions.delete(id);
    clearTimeout(question.timer);
    how(question);
  }

  #cleanUp(): void {
    for (const socket of this.#handed.values()) reset(socket);
    this.#handed.clear();
    for (const id of [...this.#questions.keys()]) {
      this.#settle(id, ({ reject }) => reject(new Error('the worker ended')));
    }
  }

  #send(order: Order): void {
    this.#child.send(order, ignore);
  }
}

interface OpenQuestion {
  readonly resolve: (value: Answers[Question]) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

/** Where an order did not arrive, the worker has ended, and that is told. */
function ignore(): void {}

const program = fileURLToPath(new URL('./worker.js', import.meta.url));
