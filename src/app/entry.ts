import type { LogFields, Logger } from '../core/log.ts';
import { version } from '../core/version.ts';
import { HUGE_SLAB } from '../data/slab-pool.ts';
import type { Pipe } from '../io/pipe.ts';
import { tcpPipe } from '../io/pipe-tcp.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { listenBare } from '../sys/bare-net.ts';
import type { AnySocket } from '../sys/bare-socket.ts';
import type { Listener } from '../sys/net.ts';
import type { Accept } from './accept.ts';
import type { EntryConfig } from './config.ts';
import { Connections } from './connections.ts';
import { News } from './news.ts';
import { ProxyMemory } from './proxy-memory.ts';
import type { Readiness, Service } from './service.ts';
import type { ProxyStatus } from './status.ts';
import { Uplink } from './uplink.ts';

/** Connections that wait for a session, and for how long, ms. */
const MAX_WAITING = 1_024;
const WAIT = 10_000;

export interface EntryService extends Service {
  readonly lanes: {
    /** Resolves once one more lane is up. */
    add(): Promise<{ id: number }>;
    /** Lets a lane finish what it carries, then ends it. @throws {Error} for an unknown id */
    drain(id: number): void;
    /** Ends a lane at once. @throws {Error} for an unknown id */
    remove(id: number): void;
  };
}

/**
 * Starts the near end: accepts connections and carries each over the lanes to the exit. `accept` is
 * how connections come in.
 */
export async function startEntry(
  config: EntryConfig,
  logger: Logger,
  accept: Accept<AnySocket> = listenBare,
): Promise<EntryService> {
  const entry = new Entry(config, logger);
  await entry.start(accept);
  return entry;
}

class Entry implements EntryService {
  readonly #config: EntryConfig;
  readonly #logger: Logger;
  readonly #memory: ProxyMemory;
  readonly #uplink: Uplink;
  readonly #connections: Connections;
  readonly #troubles = new News();
  readonly #startedAt = nodeClock.now();
  /** Accepted, and waiting for a session; each with the timer that ends its wait. */
  readonly #waiting = new Map<Pipe, NodeJS.Timeout>();
  #listener: Listener | null = null;
  #isStopping = false;

  constructor(config: EntryConfig, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#memory = new ProxyMemory(config.memory);
    this.#connections = new Connections(config.busyPoll);
    this.#uplink = new Uplink(config, this.#memory, logger, () => this.#serveWaiting());
  }

  get listen(): readonly string[] {
    return this.#listener?.addresses ?? [];
  }

  async start(accept: Accept<AnySocket>): Promise<void> {
    this.#listener = await accept(this.#config.listen, (socket) => this.#onSocket(socket), {
      onAcceptError: (error) => this.#warn('cannot accept', { cause: error.message }),
    });
    this.#uplink.start();
  }

  status(): ProxyStatus {
    return {
      role: 'entry',
      version,
      uptimeSeconds: Math.floor((nodeClock.now() - this.#startedAt) / 1_000),
      listen: [...this.listen],
      memory: this.#memory.status(this.#uplink.heldBytes),
      sessions: this.#uplink.status(),
    };
  }

  readiness(): Readiness {
    return this.#uplink.readiness();
  }

  readonly lanes = {
    add: () => this.#uplink.addLane(),
    drain: (id: number) => this.#uplink.drainLane(id),
    remove: (id: number) => this.#uplink.removeLane(id),
  };

  async drain(): Promise<void> {
    this.#isStopping = true;
    void this.#listener?.close();
    this.#dropWaiting();
    await this.#connections.idle();
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    const closed = this.#listener?.close();
    this.#dropWaiting();
    this.#connections.abort();
    this.#uplink.close();
    await closed;
  }

  #onSocket(socket: AnySocket): void {
    const near = tcpPipe(socket, this.#memory.pool, HUGE_SLAB);
    if (this.#isStopping || !this.#serve(near)) this.#wait(near);
  }

  /** @returns false while there is no session */
  #serve(near: Pipe): boolean {
    const far = this.#uplink.open();
    if (far === null) return false;
    this.#connections.join(near, far);
    return true;
  }

  #wait(near: Pipe): void {
    if (this.#isStopping || this.#waiting.size >= MAX_WAITING) {
      near.abort();
      return;
    }
    const timer = setTimeout(() => {
      this.#warn('a connection found no lane to the exit in time', { waitedMs: WAIT });
      this.#waiting.delete(near);
      near.abort();
    }, WAIT);
    this.#waiting.set(near, timer);
  }

  #warn(message: string, fields: LogFields): void {
    const news = this.#troubles.tell(message, nodeClock.now());
    if (news !== null) this.#logger.warn(message, { ...fields, ...news });
  }

  #serveWaiting(): void {
    for (const [near, timer] of this.#waiting) {
      if (!this.#serve(near)) return;
      this.#waiting.delete(near);
      clearTimeout(timer);
    }
  }

  #dropWaiting(): void {
    for (const [near, timer] of this.#waiting) {
      clearTimeout(timer);
      near.abort();
    }
    this.#waiting.clear();
  }
}
