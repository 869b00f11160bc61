import { Buffer } from 'node:buffer';
import { formatAddress } from '../core/address.ts';
import type { Logger } from '../core/log.ts';
import { version } from '../core/version.ts';
import { Roster, type Seat } from '../data/roster.ts';
import { SlabPool } from '../data/slab-pool.ts';
import { Bridge, type BridgeOutcome } from '../io/bridge.ts';
import type { Pipe } from '../io/pipe.ts';
import { tcpPipe } from '../io/pipe-tcp.ts';
import { Awake } from '../loop/awake.ts';
import { BusyPoll } from '../loop/busy-poll.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { dialBare, listenBare } from '../sys/bare-net.ts';
import type { AnySocket } from '../sys/bare-socket.ts';
import { type Listener, peerOf } from '../sys/net.ts';
import { DialError } from '../sys/net-error.ts';
import type { RelayConfig } from './config.ts';
import type { Readiness, Service } from './service.ts';
import type { BridgeStatus, RelayStatus } from './status.ts';

/** Bridges that the status lists; the counters count all. */
const MAX_LISTED = 1000;

/**
 * Starts a plain TCP relay: each connection to `listen` is bridged to one of its own to `to`.
 * @throws {ListenError} if the address cannot be bound.
 */
export async function startRelay(config: RelayConfig, logger: Logger): Promise<Service> {
  const relay = new Relay(config, logger);
  await relay.start();
  return relay;
}

class Relay implements Service {
  readonly #config: RelayConfig;
  readonly #logger: Logger;
  readonly #target: string;
  readonly #pool: SlabPool;
  readonly #poll: BusyPoll;
  readonly #startedAt = nodeClock.now();
  readonly #connections = new Roster<Connection>();
  #listener: Listener | null = null;
  #isDraining = false;
  #onIdle: (() => void) | null = null;
  #opened = 0;
  #refused = 0;
  #reset = 0;

  constructor(config: RelayConfig, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#target = formatAddress(config.to);
    this.#pool = new SlabPool({
      allocate: (size) => Buffer.allocUnsafe(size),
      budget: config.memory,
    });
    this.#poll = new BusyPoll(nodeClock, new Awake(), config.busyPoll);
  }

  async start(): Promise<void> {
    this.#listener = await listenBare(this.#config.listen, (socket) => this.#onSocket(socket), {
      onAcceptError: (error) =>
        this.#logger.warn('could not accept a connection', { cause: error.message }),
    });
  }

  get listen(): readonly string[] {
    return this.#listener?.addresses ?? [];
  }

  status(): RelayStatus {
    const used = this.#pool.outBytes;
    const bridges: BridgeStatus[] = [];
    for (const connection of this.#connections) {
      if (bridges.length === MAX_LISTED) break;
      const { id, peer, bridge } = connection;
      if (bridge === null) continue;
      const { near, far } = bridge;
      bridges.push({ id, peer, target: this.#target, near: { ...near }, far: { ...far } });
    }
    return {
      role: 'relay',
      version,
      uptimeSeconds: (nodeClock.now() - this.#startedAt) / 1000,
      listen: [...this.listen],
      memory: {
        budgetBytes: this.#config.memory,
        usedBytes: used,
        readBufferBytes: used,
        sendBytes: 0,
        receiveBytes: 0,
        sessionWindowBytes: 0,
      },
      connections: {
        active: this.#connections.size,
        opened: this.#opened,
        refused: this.#refused,
        reset: this.#reset,
      },
      bridges: bridges.toSorted((a, b) => a.id - b.id),
    };
  }

  readiness(): Readiness {
    return this.#isDraining ? { ready: false, reason: 'the relay is stopping' } : { ready: true };
  }

  async drain(): Promise<void> {
    this.#isDraining = true;
    await this.#listener?.close();
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  async close(): Promise<void> {
    this.#isDraining = true;
    const closed = this.#listener?.close();
    for (const connection of this.#connections.takeAll()) connection.abort();
    this.#onIdle?.();
    await closed;
  }

  #onSocket(socket: AnySocket): void {
    const peer = peerOf(socket);
    this.#opened += 1;
    const connection = new Connection(this.#opened, peer, tcpPipe(socket, this.#pool));
    connection.seat = this.#connections.add(connection);
    const { to, connectTimeout: timeout } = this.#config;
    connection.cancelDial = dialBare(to, { timeout }, (outcome) => {
      connection.cancelDial = null;
      if (outcome instanceof DialError) this.#onRefused(connection, outcome);
      else {
        const far = tcpPipe(outcome, this.#pool);
        connection.join(far, (end) => this.#onClosed(connection, end), this.#poll);
      }
    });
  }

  #onRefused(connection: Connection, error: DialError): void {
    if (error.kind === 'aborted') return;
    this.#refused += 1;
    connection.abort();
    this.#forget(connection);
    this.#logger.warn(error.message, { peer: connection.peer });
  }

  #onClosed(connection: Connection, outcome: BridgeOutcome): void {
    this.#forget(connection);
    const { peer } = connection;
    if (outcome.kind === 'reset') {
      this.#reset += 1;
      const by = outcome.by === 'near' ? peer : this.#target;
      this.#logger.debug('connection reset', { peer, by, cause: outcome.cause.message });
    } else {
      this.#logger.debug('connection finished', { peer });
    }
  }

  #forget(connection: Connection): void {
    if (connection.seat !== null) this.#connections.remove(connection.seat);
    if (this.#connections.size === 0) this.#onIdle?.();
  }
}

/** An accepted connection: on its way to the target, then bridged to it. */
class Connection {
  readonly id: number;
  readonly peer: string;
  bridge: Bridge | null = null;
  seat: Seat<Connection> | null = null;
  /** Ends the attempt to reach the target, while there is one. */
  cancelDial: (() => void) | null = null;
  readonly #near: Pipe;

  constructor(id: number, peer: string, near: Pipe) {
    this.id = id;
    this.peer = peer;
    this.#near = near;
  }

  join(far: Pipe, onClosed: (outcome: BridgeOutcome) => void, poll: BusyPoll): void {
    this.bridge = new Bridge(this.#near, far, onClosed, poll);
  }

  abort(): void {
    this.cancelDial?.();
    this.#near.abort();
    this.bridge?.abort();
  }
}
