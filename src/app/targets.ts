import { type Address, formatAddress } from '../core/address.ts';
import type { ReasonName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { Roster } from '../data/roster.ts';
import { HUGE_SLAB, type SlabPool } from '../data/slab-pool.ts';
import type { PipeHandler } from '../io/pipe.ts';
import type { StripedPipe } from '../io/pipe-striped.ts';
import { tcpPipe } from '../io/pipe-tcp.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { dialBare } from '../sys/bare-net.ts';
import { DialError } from '../sys/net-error.ts';
import { Connections } from './connections.ts';
import { News } from './news.ts';

export interface TargetsConfig {
  readonly to: Address;
  /** ms */
  readonly connectTimeout: number;
  /** ms */
  readonly busyPoll: number;
}

/** The exit's connections to its target, each the far side of a channel. */
export class Targets {
  readonly #config: TargetsConfig;
  readonly #pool: SlabPool;
  readonly #logger: Logger;
  readonly #connections: Connections;
  /** How to end each attempt that is under way. */
  readonly #dials = new Roster<() => void>();
  readonly #troubles = new News();

  constructor(config: TargetsConfig, pool: SlabPool, logger: Logger) {
    this.#config = config;
    this.#pool = pool;
    this.#logger = logger;
    this.#connections = new Connections(config.busyPoll);
  }

  /** Connects a channel to the target, or refuses it. */
  connect(channel: StripedPipe, target: Uint8Array): void {
    if (target.length > 0) {
      channel.refuse('DENIED', true);
      return;
    }
    const { to, connectTimeout } = this.#config;
    const cancel = dialBare(to, { timeout: connectTimeout }, (outcome) => {
      this.#dials.remove(seat);
      if (outcome instanceof DialError) this.#fail(channel, outcome);
      else {
        channel.accept();
        this.#connections.join(channel, tcpPipe(outcome, this.#pool, HUGE_SLAB));
      }
    });
    const seat = this.#dials.add(cancel);
    channel.attach(whileDialling(cancel));
  }

  /** Resolves when no connection is left. */
  idle(): Promise<void> {
    return this.#connections.idle();
  }

  abort(): void {
    for (const cancel of this.#dials.takeAll()) cancel();
    this.#connections.abort();
  }

  #fail(channel: StripedPipe, error: DialError): void {
    if (error.kind !== 'aborted') this.#note(error);
    channel.refuse(reasonOf(error), true);
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
function whileDialling(cancel: () => void): PipeHandler {
  return {
    onChunk: (chunk) => chunk.release(),
    onFin() {},
    onDrain() {},
    onFinSent() {},
    onBroken: () => cancel(),
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
