import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Emulator, type PathParameters, startEmulator } from '../../../src/app/emulator.ts';
import type { SessionStatus } from '../../../src/app/status.ts';
import { formatKey, newKey } from '../../../src/sys/key.ts';
import { ProxyProcess } from './proxy-process.ts';
import { until } from './wait.ts';

export interface PairOptions {
  /** The exit's target. */
  readonly to: string;
  /** Default: any port of 127.0.0.1. */
  readonly entryListen?: string;
  readonly exitListen?: string;
  readonly lanes?: number;
  readonly plain?: boolean;
  /** Puts the emulator between entry and exit, each lane on such a path. */
  readonly path?: PathParameters | ((index: number) => PathParameters);
  readonly entryArgs?: readonly string[];
  readonly exitArgs?: readonly string[];
  /** A command that runs either proxy, see `ProxyProcess.start`. */
  readonly prefix?: readonly string[];
}

const LANES = 8;

export const testKey = formatKey(newKey());

/** A test, or whatever else ends and releases what it has opened. */
export interface Scope {
  after(fn: () => unknown): void;
}

/** An exit, an entry, and the emulator between them where a path is wanted. */
export class Pair {
  /** Replaced by a test that starts one of them anew. */
  entry: ProxyProcess;
  exit: ProxyProcess;
  readonly #emulator: Emulator | null;
  readonly #sockets = new Set<Socket>();

  /** Resolves once all lanes are up; ends with the scope. */
  static async start(t: Scope, options: PairOptions): Promise<Pair> {
    const { lanes = LANES, path } = options;
    const exit = await startExit(options);
    const target = { kind: 'tcp', host: '127.0.0.1', port: exit.port } as const;
    const emulator = path === undefined ? null : await startEmulator({ target, path });
    const entry = await startEntry(options, emulator?.address.port ?? exit.port);
    const pair = new Pair(entry, exit, emulator);
    t.after(() => pair.stop());
    await pair.hasLanes(lanes);
    return pair;
  }

  private constructor(entry: ProxyProcess, exit: ProxyProcess, emulator: Emulator | null) {
    this.entry = entry;
    this.exit = exit;
    this.#emulator = emulator;
  }

  get emulator(): Emulator {
    if (this.#emulator === null) throw new Error('the pair has no emulator: give it a path');
    return this.#emulator;
  }

  /** An application's socket towards the entry, half-open; destroyed with the pair. */
  dial(): Socket {
    const { listen } = this.entry;
    const where = listen.startsWith('unix:')
      ? { path: listen.slice('unix:'.length) }
      : { host: '127.0.0.1', port: this.entry.port };
    const socket = connect({ ...where, allowHalfOpen: true, noDelay: true });
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // What a test wants to know of errors, it listens for itself.
    socket.on('error', () => {});
    return socket;
  }

  async connect(): Promise<Socket> {
    const socket = this.dial();
    await once(socket, 'connect');
    return socket;
  }

  async session(side: 'entry' | 'exit' = 'entry'): Promise<SessionStatus> {
    const { sessions } = await this[side].status();
    const [session] = sessions;
    if (session === undefined)
      throw new Error(`the ${side} has no session:\n${this[side].logText}`);
    return session;
  }

  /** Resolves once `count` lanes are up at the entry, all in good health. */
  async hasLanes(count: number, limit = 10_000): Promise<void> {
    const isUp = async (): Promise<boolean> => {
      const [session] = (await this.entry.status()).sessions;
      return session?.lanes.filter(({ state }) => state === 'up').length === count;
    };
    await until(isUp, limit, () => `${count} lanes:\n${this.entry.logText}\n${this.exit.logText}`);
  }

  /** Resolves once neither end has a channel left. */
  async isIdle(limit = 5_000): Promise<void> {
    const isFree = async (side: 'entry' | 'exit'): Promise<boolean> => {
      const { sessions } = await this[side].status();
      return sessions.every(({ channels }) => channels.active === 0);
    };
    await until(
      async () => (await isFree('entry')) && (await isFree('exit')),
      limit,
      () => 'no channel left at either end',
    );
  }

  /** Resolves once `side` has sent no byte of an application for half a second. */
  async isQuiet(side: 'entry' | 'exit', limit = 20_000): Promise<void> {
    let seen = -1;
    let since = 0;
    const ask = async (): Promise<boolean> => {
      const { sentPayloadBytes } = await this.session(side);
      if (sentPayloadBytes !== seen) since = performance.now();
      seen = sentPayloadBytes;
      return performance.now() - since >= 500;
    };
    await until(ask, limit, () => `the ${side} still sends`);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([this.entry.kill(), this.exit.kill(), this.#emulator?.close()]);
  }
}

/** An entry as the pair has it, towards an exit, or an emulator, at that port. */
export function startEntry(options: PairOptions, port: number): Promise<ProxyProcess> {
  const { lanes = LANES, plain = false, entryArgs = [], entryListen = '0' } = options;
  const both = plain ? ['--plain'] : [];
  const exit = ['--exit', `127.0.0.1:${port}`, '-n', `${lanes}`];
  return ProxyProcess.start(
    ['entry', entryListen, ...exit, ...both, ...entryArgs],
    testKey,
    options.prefix,
  );
}

/** An exit as the pair has it. */
export function startExit(options: PairOptions): Promise<ProxyProcess> {
  const { to, plain = false, exitArgs = [], exitListen = '127.0.0.1:0' } = options;
  const both = plain ? ['--plain'] : [];
  const args = ['exit', exitListen, '--to', to, ...both, ...exitArgs];
  return ProxyProcess.start(args, testKey, options.prefix);
}
