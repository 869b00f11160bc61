import type { Socket } from 'node:net';
import type { Logger } from '../core/log.ts';
import { version } from '../core/version.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { type Listener, listen, peerOf } from '../sys/net.ts';
import { reset } from '../sys/socket-handle.ts';
import type { Accept } from './accept.ts';
import type { ExitConfig } from './config.ts';
import { Downlinks } from './downlinks.ts';
import { News } from './news.ts';
import { ProxyMemory } from './proxy-memory.ts';
import type { Readiness, Service } from './service.ts';
import type { ProxyStatus } from './status.ts';
import { Strangers } from './strangers.ts';
import { Targets } from './targets.ts';

/**
 * Starts the far end: takes lanes, and connects what comes over them to the target. `accept` is how
 * lanes come in.
 */
export async function startExit(
  config: ExitConfig,
  logger: Logger,
  accept: Accept = listen,
): Promise<Service> {
  const exit = new Exit(config, logger);
  await exit.start(accept);
  return exit;
}

class Exit implements Service {
  readonly #config: ExitConfig;
  readonly #logger: Logger;
  readonly #memory: ProxyMemory;
  readonly #targets: Targets;
  readonly #downlinks: Downlinks;
  readonly #startedAt = nodeClock.now();
  readonly #strangers: Strangers;
  readonly #acceptErrors = new News();
  #listener: Listener | null = null;

  constructor(config: ExitConfig, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#strangers = new Strangers(logger);
    this.#memory = new ProxyMemory(config.memory);
    this.#targets = new Targets(config, this.#memory.pool, logger);
    this.#downlinks = new Downlinks(config, this.#memory, this.#targets, logger);
  }

  get listen(): readonly string[] {
    return this.#listener?.addresses ?? [];
  }

  async start(accept: Accept): Promise<void> {
    const onSocket = (socket: Socket, head?: Uint8Array) => void this.#onSocket(socket, head);
    this.#listener = await accept(this.#config.listen, onSocket, {
      onAcceptError: (error) => this.#noteAcceptError(error),
    });
  }

  status(): ProxyStatus {
    return {
      role: 'exit',
      version,
      uptimeSeconds: Math.floor((nodeClock.now() - this.#startedAt) / 1_000),
      listen: [...this.listen],
      memory: this.#memory.status(this.#downlinks.heldBytes),
      sessions: this.#downlinks.status(),
    };
  }

  readiness(): Readiness {
    if (this.#downlinks.hasLanes) return { ready: true };
    return { ready: false, reason: 'no entry has a lane to this exit' };
  }

  async drain(): Promise<void> {
    // Lanes of sessions that go on may still be redialled, so the listener stays until the end.
    this.#downlinks.goAway();
    await this.#targets.idle();
  }

  async close(): Promise<void> {
    const closed = this.#listener?.close();
    this.#targets.abort();
    this.#downlinks.close();
    await closed;
  }

  async #onSocket(socket: Socket, head?: Uint8Array): Promise<void> {
    const peer = peerOf(socket);
    const host = socket.remoteAddress ?? 'unix';
    if (!this.#strangers.admit(host, peer)) {
      reset(socket);
      return;
    }
    try {
      await this.#downlinks.welcome(socket, peer, head);
    } finally {
      this.#strangers.leave(host);
    }
  }

  #noteAcceptError({ message }: Error): void {
    const news = this.#acceptErrors.tell(message, nodeClock.now());
    if (news !== null) this.#logger.warn('cannot accept', { cause: message, ...news });
  }
}
