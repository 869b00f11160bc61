import type { Socket } from 'node:net';
import type { Logger } from '../core/log.ts';
import { version } from '../core/version.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { type Listener, listen, peerOf } from '../sys/net.ts';
import { reset } from '../sys/socket-handle.ts';
import type { ExitConfig } from './config.ts';
import { Downlinks } from './downlinks.ts';
import { News } from './news.ts';
import { ProxyMemory } from './proxy-memory.ts';
import type { Readiness, Service } from './service.ts';
import type { ProxyStatus } from './status.ts';
import { Targets } from './targets.ts';

/** Connections that have not shown the key yet: in all, and from one address. */
const MAX_STRANGERS = 256;
const MAX_STRANGERS_PER_HOST = 64;

/** Starts the far end: takes lanes, and connects what comes over them to the target. */
export async function startExit(config: ExitConfig, logger: Logger): Promise<Service> {
  const exit = new Exit(config, logger);
  await exit.start();
  return exit;
}

class Exit implements Service {
  readonly #config: ExitConfig;
  readonly #logger: Logger;
  readonly #memory: ProxyMemory;
  readonly #targets: Targets;
  readonly #downlinks: Downlinks;
  readonly #startedAt = nodeClock.now();
  /** Connections that have not shown the key yet, by host. */
  readonly #strangers = new Map<string, number>();
  readonly #acceptErrors = new News();
  #strangerCount = 0;
  #turnedAway = 0;
  #listener: Listener | null = null;

  constructor(config: ExitConfig, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#memory = new ProxyMemory(config.memory);
    this.#targets = new Targets(config, this.#memory.pool, logger);
    this.#downlinks = new Downlinks(config, this.#memory, this.#targets, logger);
  }

  get listen(): readonly string[] {
    return this.#listener?.addresses ?? [];
  }

  async start(): Promise<void> {
    this.#listener = await listen(this.#config.listen, (socket) => void this.#onSocket(socket), {
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

  async #onSocket(socket: Socket): Promise<void> {
    const peer = peerOf(socket);
    const host = socket.remoteAddress ?? 'unix';
    const ofHost = this.#strangers.get(host) ?? 0;
    if (this.#strangerCount >= MAX_STRANGERS || ofHost >= MAX_STRANGERS_PER_HOST) {
      reset(socket);
      this.#noteTurnedAway(peer);
      return;
    }
    this.#strangerCount += 1;
    this.#strangers.set(host, ofHost + 1);
    try {
      await this.#downlinks.welcome(socket, peer);
    } finally {
      this.#strangerCount -= 1;
      const left = this.#strangers.get(host)! - 1;
      if (left === 0) this.#strangers.delete(host);
      else this.#strangers.set(host, left);
    }
  }

  #noteAcceptError({ message }: Error): void {
    const news = this.#acceptErrors.tell(message, nodeClock.now());
    if (news !== null) this.#logger.warn('cannot accept', { cause: message, ...news });
  }

  /** A flood is told at its first connection and every thousandth, not per connection. */
  #noteTurnedAway(peer: string): void {
    this.#turnedAway += 1;
    if (this.#turnedAway % 1_000 !== 1) return;
    this.#logger.warn('too many connections without a handshake; turned away', {
      peer,
      turnedAway: this.#turnedAway,
    });
  }
}
