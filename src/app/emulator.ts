import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Address } from '../core/address.ts';
import { SlabPool } from '../data/slab-pool.ts';
import type { Pipe } from '../io/pipe.ts';
import { tcpPipe } from '../io/pipe-tcp.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { dial, type Listener, listen } from '../sys/net.ts';
import { EmulatedConnection, type PathParameters } from './emulator/connection.ts';

export type { Direction, EmulatedConnection, PathParameters } from './emulator/connection.ts';
export type { LinkParameters } from './emulator/link.ts';

export interface EmulatorOptions {
  /** Where connections lead. */
  readonly target: Address;
  /** The path of each connection, or of the `index`-th one: unequal lanes. */
  readonly path: PathParameters | ((index: number) => PathParameters);
}

/** The `index`-th connection that was opened, the last one, or the one that carried most bytes. */
export type Choice = number | 'newest' | 'busiest';

/**
 * Starts a TCP relay on 127.0.0.1 that makes every connection feel like one across a long, narrow
 * route. Rates hold within 3 %, delays within 2 ms.
 *
 * What it can't do, being a relay in user space:
 *  - The kernel completes a connect() before the emulator hears of it, so the handshake takes no
 *    time. The connection to the target is made one delay later, when the SYN would arrive.
 *  - The buffers of the sender's kernel, and of the emulator's on the same connection, hold bytes in
 *    front of the link's queue: hundreds of KiB, which Node can't limit. To a sender it looks like a
 *    deep send buffer ahead of the bottleneck.
 *  - A peer's kernel acknowledges what the emulator reads, not what has crossed the path.
 *
 * @throws {ListenError} if no port can be bound.
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const emulator = new Emulator(options);
  await emulator.accept();
  return emulator;
}

export class Emulator {
  readonly #options: EmulatorOptions;
  readonly #connections = new Map<number, EmulatedConnection>();
  readonly #pool = new SlabPool({ allocate: Buffer.allocUnsafeSlow, budget: 64 * 1024 * 1024 });
  readonly #closing = new AbortController();
  #listener: Listener | null = null;
  #listenersClosed: Promise<unknown> = Promise.resolve();
  #address: TcpAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };
  #opened = 0;

  constructor(options: EmulatorOptions) {
    this.#options = options;
  }

  /** Where it listens: the same for its whole life. */
  get address(): TcpAddress {
    return this.#address;
  }

  /** Connections opened so far. */
  get opened(): number {
    return this.#opened;
  }

  /** The open connections, oldest first. */
  get connections(): readonly EmulatedConnection[] {
    return [...this.#connections.values()];
  }

  /** @throws if there is no such connection, or it has ended. */
  connection(choice: Choice): EmulatedConnection {
    const open = this.connections;
    const bytes = (one: EmulatedConnection): number => one.upBytes + one.downBytes;
    const found =
      typeof choice === 'number'
        ? this.#connections.get(choice)
        : choice === 'newest'
          ? open.at(-1)
          : open.reduce((a, b) => (bytes(b) > bytes(a) ? b : a), open[0]!);
    if (found === undefined) {
      throw new Error(`the emulator has ${open.length} open connections, none is '${choice}'`);
    }
    return found;
  }

  /** From now on new connections are refused; those that are open live on. */
  refuse(): void {
    const listener = this.#listener;
    if (listener === null) return;
    this.#listener = null;
    this.#listenersClosed = Promise.all([this.#listenersClosed, listener.close()]);
  }

  /**
   * Takes new connections, after `refuse()` at the same port as before.
   * @throws {ListenError} if somebody has taken the port meanwhile.
   */
  async accept(): Promise<void> {
    if (this.#listener !== null) return;
    this.#listener = await listen(this.#address, (socket) => this.#open(socket));
    const port = Number(this.#listener.addresses[0]?.split(':').at(-1));
    this.#address = { ...this.#address, port };
  }

  /** Refuses what is new and kills what is open; resolves when no socket is left. */
  async close(): Promise<void> {
    this.refuse();
    this.#closing.abort();
    for (const connection of this.connections) connection.kill();
    await this.#listenersClosed;
  }

  #open(socket: Socket): void {
    const index = this.#opened;
    this.#opened += 1;
    const { path } = this.#options;
    const connection = new EmulatedConnection({
      index,
      clock: nodeClock,
      tick: 1,
      path: typeof path === 'function' ? path(index) : path,
      nearPort: socket.remotePort ?? 0,
      near: tcpPipe(socket, this.#pool),
      dial: () => this.#dial(),
      onClosed: () => this.#connections.delete(index),
    });
    this.#connections.set(index, connection);
  }

  async #dial(): Promise<{ pipe: Pipe; localPort: number }> {
    const socket = await dial(this.#options.target, {
      timeout: DIAL_TIMEOUT,
      signal: this.#closing.signal,
    });
    const localPort = socket.localPort ?? 0;
    return { pipe: tcpPipe(socket, this.#pool), localPort };
  }
}

type TcpAddress = Address & { readonly kind: 'tcp'; readonly host: string };

const DIAL_TIMEOUT = 30_000; // ms
