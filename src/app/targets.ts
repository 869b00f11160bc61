import { type Address, formatAddress } from '../core/address.ts';
import type { ReasonName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { SlabPool } from '../data/slab-pool.ts';
import type { PipeHandler } from '../io/pipe.ts';
import type { StripedPipe } from '../io/pipe-striped.ts';
import { tcpPipe } from '../io/pipe-tcp.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { dial } from '../sys/net.ts';
import { DialError } from '../sys/net-error.ts';
import { Connections } from './connections.ts';
import { News } from './news.ts';

export interface TargetsConfig {
  readonly to: Address;
  /** ms */
  readonly connectTimeout: number;
}

/** The exit's connections to its target, each the far side of a channel. */
export class Targets {
  readonly #config: TargetsConfig;
  readonly #pool: SlabPool;
  readonly #logger: Logger;
  readonly #connections = new Connections();
  readonly #dials = new Set<AbortController>();
  readonly #troubles = new News();

  constructor(config: TargetsConfig, pool: SlabPool, logger: Logger) {
    this.#config = config;
    this.#pool = pool;
    this.#logger = logger;
  }

  /** Connects a channel to the target, or refuses it. */
  async connect(channel: StripedPipe, target: Uint8Array): Promise<void> {
    if (target.length > 0) {
      channel.refuse('DENIED', true);
      return;
    }
    const stop = new AbortController();
    this.#dials.add(stop);
    channel.attach(whileDialling(stop));
    try {
      const { to, connectTimeout } = this.#config;
      const socket = await dial(to, { timeout: connectTimeout, signal: stop.signal });
      channel.accept();
      this.#connections.join(channel, tcpPipe(socket, this.#pool));
    } catch (error) {
      if (!(error instanceof DialError)) throw error;
      if (error.kind !== 'aborted') this.#note(error);
      channel.refuse(reasonOf(error), true);
    } finally {
      this.#dials.delete(stop);
    }
  }

  /** Resolves when no connection is left. */
  idle(): Promise<void> {
    return this.#connections.idle();
  }

  abort(): void {
    for (const dialling of this.#dials) dialling.abort();
    this.#connections.abort();
  }

  #note(error: DialError): void {
    const news = this.#troubles.tell(error.message, nodeClock.now());
    this.#logger[news === null ? 'debug' : 'warn']('cannot reach the target', {
      to: formatAddress(this.#config.to),
      cause: error.message,
      ...news,
    });
  }
}

/** Until the target answers, the channel only may break. */
function whileDialling(stop: AbortController): PipeHandler {
  return {
    onChunk: (chunk) => chunk.release(),
    onFin() {},
    onDrain() {},
    onFinSent() {},
    onBroken: () => stop.abort(),
  };
}

function reasonOf(error: DialError): ReasonName {
  switch (error.kind) {
    case 'refused':
      return 'REFUSED';
    case 'timeout':
      return 'TIMEOUT';
    case 'dns':
      return 'DNS';
    case 'aborted':
      return 'RESET';
    default:
      return 'UNREACHABLE';
  }
}
