import type { Socket } from 'node:net';
import type { Logger } from '../../core/log.ts';
import { nodeClock } from '../../loop/node-clock.ts';
import type { Answers, Question, WorkerPlan } from './messages.ts';
import { WorkerProcess } from './worker-process.ts';

/** The pause before a worker is replaced grows from the first to the second, ms. */
const FIRST_PAUSE = 100;
const MAX_PAUSE = 10_000;
/** A worker that lived this long was no failure from the start, ms. */
const HEALTHY_AFTER = 10_000;

/** The workers of a proxy, each at its place: one that dies is replaced, and the others go on. */
export class Crew {
  readonly #places: readonly Place[];
  #turn = 0;

  constructor(plans: readonly WorkerPlan[], logger: Logger) {
    this.#places = plans.map((plan) => new Place(plan, logger));
  }

  get places(): readonly Place[] {
    return this.#places;
  }

  /** Resolves when all of them serve. @throws {Error} if one cannot */
  async start(): Promise<void> {
    await Promise.all(this.#places.map((place) => place.start()));
  }

  /** Gives a connection to the next worker in turn. @returns false if none takes it */
  deal(socket: Socket): boolean {
    for (let tries = 0; tries < this.#places.length; tries += 1) {
      const place = this.#places[this.#turn % this.#places.length]!;
      this.#turn += 1;
      if (place.hand(socket, nothing)) return true;
    }
    return false;
  }

  /** Dead ones are replaced no more. Resolves when no worker has a connection left. */
  async drain(): Promise<void> {
    for (const place of this.#places) place.retire();
    await Promise.allSettled(this.#places.map((place) => place.ask('drain')));
  }

  async close(): Promise<void> {
    await Promise.all(this.#places.map((place) => place.close()));
  }
}

/** One place for a worker, whoever holds it. */
export class Place {
  readonly number: number;
  readonly #plan: WorkerPlan;
  readonly #logger: Logger;
  #worker: WorkerProcess | null = null;
  #restart: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  #isRetired = false;

  constructor(plan: WorkerPlan, logger: Logger) {
    this.number = plan.number;
    this.#plan = plan;
    this.#logger = logger;
  }

  /** Of the process that holds it; null while there is none. */
  get pid(): number | null {
    return this.#worker?.pid ?? null;
  }

  async start(): Promise<void> {
    const worker = this.#fork();
    await worker.ready;
    this.#logger.info('worker up', { worker: this.number, pid: worker.pid ?? undefined });
  }

  /** @returns false if there is no worker, or too many connections wait for it */
  hand(socket: Socket, head: Uint8Array): boolean {
    return this.#worker?.hand(socket, head) ?? false;
  }

  /** @throws {Error} what went wrong there, or that it took longer than `limit` ms */
  async ask<Q extends Question>(question: Q, limit?: number, lane?: number): Promise<Answers[Q]> {
    if (this.#worker === null) throw new Error(`worker ${this.number} is not up`);
    return this.#worker.ask(question, limit, lane);
  }

  retire(): void {
    this.#isRetired = true;
    clearTimeout(this.#restart);
  }

  async close(): Promise<void> {
    this.retire();
    await this.#worker?.close();
  }

  #fork(): WorkerProcess {
    const startedAt = nodeClock.now();
    try {
      const worker = new WorkerProcess(this.#plan);
      const { pid } = worker;
      this.#worker = worker;
      void worker.ended.then((how) => this.#onEnd(pid, how, nodeClock.now() - startedAt));
      return worker;
    } catch (error) {
      this.#onEnd(null, error instanceof Error ? error.message : String(error), 0);
      throw error;
    }
  }

  #onEnd(pid: number | null, cause: string, lifetime: number): void {
    this.#worker = null;
    if (this.#isRetired) return;
    const pause = lifetime > HEALTHY_AFTER ? FIRST_PAUSE : this.#pause;
    this.#pause = Math.min(MAX_PAUSE, 2 * pause);
    this.#logger.warn('a worker ended, and its connections with it; another takes its place', {
      worker: this.number,
      pid: pid ?? undefined,
      cause,
      inMs: pause,
    });
    // How it fares is told by its end.
    this.#restart = setTimeout(() => void this.start().catch(() => {}), pause);
  }
}

const nothing = new Uint8Array(0);
