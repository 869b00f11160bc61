import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import type { Logger } from '../../core/log.ts';
import { version } from '../../core/version.ts';
import { nodeClock } from '../../loop/node-clock.ts';
import { readU32 } from '../../protocol/frame.ts';
import { randomBytes } from '../../sys/crypto.ts';
import { type Listener, listen, peerOf } from '../../sys/net.ts';
import { reset } from '../../sys/socket-handle.ts';
import type { LaneControl } from '../admin/routes.ts';
import type { EntryShare } from '../config.ts';
import type { ManagedService } from '../lifecycle.ts';
import { News } from '../news.ts';
import { Refusals } from '../refusals.ts';
import type { Readiness } from '../service.ts';
import type { ProxyStatus } from '../status.ts';
import { Strangers } from '../strangers.ts';
import { Crew, type Place } from './crew.ts';
import { mergedReadiness, mergedStatus, type Said } from './merge.ts';
import type { Answers, ProxyPlan, Question, WorkerPlan } from './messages.ts';
import { readOpening } from './opening.ts';

/** How long a connection may take to show its affinity, ms. */
const OPENING_LIMIT = 5_000;
/** How long workers may take to say how they are, ms: less than whoever asks the admin server waits. */
const ANSWER_LIMIT = 1_000;
/** Numbers of lanes that each worker of an entry has for itself, so that a number names one lane. */
const LANES_PER_WORKER = 1_000_000;

/**
 * Starts a proxy of several processes: this one accepts, and the workers carry. `memory` of the plan is
 * shared out among them.
 *
 *                       .-- worker 1: session, lanes, connections
 *     accept -- hand over
 *                       '-- worker 2: session, lanes, connections
 *
 * An entry deals its connections out in turn, and each worker has a session of its own. An exit brings
 * the lanes of a session to one worker, by their affinity.
 * @throws {ListenError} if the address cannot be bound.
 */
export async function startPrimary(
  plan: ProxyPlan,
  workers: number,
  { logLevel, logFormat }: WorkerPlan['log'],
  logger: Logger,
): Promise<ManagedService> {
  const crew = new Crew(shares(plan, workers, { logLevel, logFormat }), logger);
  const primary = new Primary(plan, crew, logger);
  try {
    await primary.start();
    return primary;
  } catch (error) {
    await primary.close();
    throw error;
  }
}

class Primary implements ManagedService {
  readonly #plan: ProxyPlan;
  readonly #crew: Crew;
  readonly #logger: Logger;
  readonly #strangers: Strangers;
  readonly #refusals: Refusals;
  readonly #troubles = new News();
  readonly #startedAt = nodeClock.now();
  /** Ends what waits for the opening of a lane. */
  readonly #closing = new AbortController();
  readonly lanes?: LaneControl;
  #listener: Listener | null = null;

  constructor(plan: ProxyPlan, crew: Crew, logger: Logger) {
    this.#plan = plan;
    this.#crew = crew;
    this.#logger = logger;
    this.#strangers = new Strangers(logger);
    this.#refusals = new Refusals(logger);
    setMaxListeners(0, this.#closing.signal); // every opening under way listens
    if (plan.role === 'entry') this.lanes = laneControl(crew);
  }

  get listen(): readonly string[] {
    return this.#listener?.addresses ?? [];
  }

  async start(): Promise<void> {
    const { role, config } = this.#plan;
    const onSocket = (socket: Socket): void => {
      if (role === 'entry') this.#deal(socket);
      else void this.#sort(socket);
    };
    this.#listener = await listen(config.listen, onSocket, {
      onAcceptError: ({ message }) => this.#warn('cannot accept', message),
    });
    await this.#crew.start();
  }

  async status(): Promise<ProxyStatus> {
    const { role, config } = this.#plan;
    const own = {
      role,
      version,
      uptimeSeconds: Math.floor((nodeClock.now() - this.#startedAt) / 1_000),
      listen: [...this.listen],
    };
    return mergedStatus(own, config.memory, await this.#askAll('status'));
  }

  async readiness(): Promise<Readiness> {
    return mergedReadiness(this.#plan.role, await this.#askAll('readiness'));
  }

  async drain(): Promise<void> {
    // Lanes of sessions that go on may still be redialled, so an exit listens until the end.
    if (this.#plan.role === 'entry') void this.#listener?.close();
    await this.#crew.drain();
  }

  async close(): Promise<void> {
    // Its end would wait for connections that are the workers' now.
    void this.#listener?.close();
    this.#closing.abort();
    await this.#crew.close();
  }

  /** A connection of an application. */
  #deal(socket: Socket): void {
    if (this.#crew.deal(socket)) return;
    reset(socket);
    this.#warn('a connection found no worker', 'all are starting, or too busy');
  }

  /** What may become a lane. */
  async #sort(socket: Socket): Promise<void> {
    const peer = peerOf(socket);
    const host = socket.remoteAddress ?? 'unix';
    if (!this.#strangers.admit(host, peer)) {
      reset(socket);
      return;
    }
    const { signal } = this.#closing;
    try {
      const opening = await readOpening(socket, { timeout: OPENING_LIMIT, signal });
      const { places } = this.#crew;
      // Whichever worker gets what is no lane says what is wrong with it.
      const place = places[(opening.affinity ?? 0) % places.length]!;
      if (place.hand(opening.socket, opening.head)) return;
      reset(opening.socket);
      this.#warn('a lane found its worker missing', 'it is starting, or too busy');
    } catch (error) {
      if (!signal.aborted) this.#refusals.note(error, peer);
    } finally {
      this.#strangers.leave(host);
    }
  }

  #askAll<Q extends Question>(question: Q): Promise<Said<Answers[Q]>[]> {
    return askAll(this.#crew.places, question);
  }

  #warn(message: string, cause: string): void {
    const news = this.#troubles.tell(message, nodeClock.now());
    if (news !== null) this.#logger.warn(message, { cause, ...news });
  }
}

/** What each worker is to be. */
function shares(plan: ProxyPlan, workers: number, log: WorkerPlan['log']): WorkerPlan[] {
  const memory = Math.floor(plan.config.memory / workers);
  const key = Buffer.from(plan.config.key).toString('base64');
  const base = readU32(randomBytes(4), 0);
  return Array.from({ length: workers }, (_, index) => {
    const number = index + 1;
    const share = { affinity: (base + index) >>> 0, firstLane: index * LANES_PER_WORKER + 1 };
    return { number, proxy: shareOf(plan, memory, share), key, log };
  });
}

function shareOf(plan: ProxyPlan, memory: number, share: EntryShare): WorkerPlan['proxy'] {
  if (plan.role === 'entry') {
    const { key: _, ...config } = plan.config;
    return { role: 'entry', config: { ...config, memory, share } };
  }
  const { key: _, ...config } = plan.config;
  return { role: 'exit', config: { ...config, memory } };
}

function laneControl(crew: Crew): LaneControl {
  const placeOf = (lane: number): Place => {
    const place = crew.places[Math.floor((lane - 1) / LANES_PER_WORKER)];
    if (place === undefined) throw new Error(`no lane ${lane}; 'tcp-striper status' lists them`);
    return place;
  };
  return {
    /** To the worker that has the fewest. */
    async add() {
      const said = await askAll(crew.places, 'status');
      const [fewest] = said
        .flatMap(({ number, answer }) => (answer === null ? [] : [{ number, ...lanesOf(answer) }]))
        .toSorted((one, other) => one.lanes - other.lanes);
      if (fewest === undefined) throw new Error('no worker answers; try again');
      return crew.places[fewest.number - 1]!.ask('addLane');
    },
    async drain(lane) {
      await placeOf(lane).ask('drainLane', ANSWER_LIMIT, lane);
    },
    async remove(lane) {
      await placeOf(lane).ask('removeLane', ANSWER_LIMIT, lane);
    },
  };
}

function lanesOf({ sessions }: ProxyStatus): { lanes: number } {
  return { lanes: sessions.reduce((sum, { lanes }) => sum + lanes.length, 0) };
}

/** What those say that answer in time. */
function askAll<Q extends Question>(
  places: readonly Place[],
  question: Q,
): Promise<Said<Answers[Q]>[]> {
  return Promise.all(
    places.map(async (place) => {
      const answer = await place.ask(question, ANSWER_LIMIT).catch(() => null);
      return { number: place.number, pid: place.pid, answer };
    }),
  );
}
