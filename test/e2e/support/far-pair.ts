import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ProxyStatus, SessionStatus } from '../../../src/app/status.ts';
import { formatKey, newKey } from '../../../src/sys/key.ts';
import { ProxyProcess } from './proxy-process.ts';
import { Target } from './target.ts';
import { until } from './wait.ts';

/** Two hosts on this machine that share its files, but not its network. */
export interface Hosts {
  /** Commands that run what follows on the host of the entry, and of the exit. */
  readonly near: readonly string[];
  readonly far: readonly string[];
  /** The exit's address as the entry's host knows it. */
  readonly address: string;
}

export interface FarPairOptions {
  readonly lanes: number;
  /** Local addresses of the entry's host; lanes are spread over them. */
  readonly from?: readonly string[];
  /** Also start a relay on each host, for plain TCP connections beside the lanes. */
  readonly withPlain?: boolean;
}

/** Both ends of a connection; the near one is an application's, the far one the target's. */
export type Ends = [near: Socket, far: Socket];

/**
 * An entry and an exit on two hosts, with applications and target in this process: they meet the
 * proxies at unix sockets, which reach into any network namespace.
 */
export class FarPair {
  readonly entry: ProxyProcess;
  readonly exit: ProxyProcess;
  readonly #hosts: Hosts;
  readonly #world: World;

  /** Resolves once all lanes are up. */
  static async start(hosts: Hosts, options: FarPairOptions): Promise<FarPair> {
    const world = await World.start();
    try {
      const { lanes, from = [], withPlain = false } = options;
      const exit = await world.run(hosts.far, [
        ...['exit', `${hosts.address}:${EXIT_PORT}`, '--to', `unix:${world.path('target')}`],
      ]);
      const entry = await world.run(hosts.near, [
        ...['entry', `unix:${world.path('entry')}`, '--exit', `${hosts.address}:${EXIT_PORT}`],
        ...['-n', `${lanes}`, ...(from.length > 0 ? ['--from', from.join()] : [])],
      ]);
      if (withPlain) await world.startRelays(hosts);
      const pair = new FarPair(hosts, world, entry, exit);
      await pair.hasLanes(lanes);
      return pair;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  private constructor(hosts: Hosts, world: World, entry: ProxyProcess, exit: ProxyProcess) {
    this.#hosts = hosts;
    this.#world = world;
    this.entry = entry;
    this.exit = exit;
  }

  /** A connection over the lanes. */
  join(): Promise<Ends> {
    return this.#world.join('entry');
  }

  /** A connection over a TCP connection of its own. */
  joinPlain(): Promise<Ends> {
    return this.#world.join('plain');
  }

  async hasLanes(count: number, limit = 10_000): Promise<void> {
    const isUp = () =>
      this.entry.linesLike(/lane up/).length - this.entry.linesLike(/lane ended/).length === count;
    await until(isUp, limit, () => `${count} lanes:\n${this.entry.logText}\n${this.exit.logText}`);
  }

  async session(side: 'entry' | 'exit'): Promise<SessionStatus> {
    const prefix = side === 'entry' ? this.#hosts.near : this.#hosts.far;
    const [command, ...args] = [...prefix, process.execPath, main, 'status', '--json'];
    const { stdout } = await run(command!, [...args, '--admin', this[side].admin]);
    const [session] = (JSON.parse(stdout) as ProxyStatus).sessions;
    if (session === undefined) throw new Error(`the ${side} has no session`);
    return session;
  }

  /** Ports of the lanes on the entry's side, of connections that are up. */
  lanePorts(): number[] {
    const exitPort = EXIT_PORT.toString(16).toUpperCase();
    return readFileSync(`/proc/${this.entry.pid}/net/tcp`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , remote, state]) => remote?.endsWith(`:${exitPort}`) && state === ESTABLISHED)
      .map(([, local]) => Number.parseInt(local!.split(':')[1]!, 16));
  }

  async stop(): Promise<void> {
    await this.#world.close();
  }

  /** Ends it at once; may be called from an exit handler. */
  kill(): void {
    this.#world.kill();
  }
}

/** What a pair is made of, and its end. */
class World {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tcp-striper-far-'));
  readonly #key = formatKey(newKey());
  readonly #processes: ProxyProcess[] = [];
  readonly #accepted: Socket[] = [];
  readonly #sockets: Socket[] = [];
  #target: Target | null = null;

  static async start(): Promise<World> {
    const world = new World();
    const where = { path: world.path('target') };
    world.#target = await Target.start((socket) => world.#accepted.push(socket), where);
    return world;
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  async run(prefix: readonly string[], args: readonly string[]): Promise<ProxyProcess> {
    const started = await ProxyProcess.start(args, this.#key, prefix);
    this.#processes.push(started);
    return started;
  }

  async startRelays({ near, far, address }: Hosts): Promise<void> {
    const between = `${address}:${PLAIN_PORT}`;
    await this.run(far, ['relay', between, '--to', `unix:${this.path('target')}`]);
    await this.run(near, ['relay', `unix:${this.path('plain')}`, '--to', between]);
  }

  async join(name: string): Promise<Ends> {
    const near = connect({ path: this.path(name), allowHalfOpen: true });
    this.#sockets.push(near);
    near.on('error', () => {});
    await once(near, 'connect');
    const far = await until(
      () => this.#accepted.shift(),
      5_000,
      () => 'the target was dialled',
    );
    return [near, far];
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.kill();
    await Promise.all(this.#processes.map(({ ended }) => ended));
    await this.#target?.close();
  }

  kill(): void {
    for (const one of this.#processes) one.signal('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const run = promisify(execFile);
const main = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
const EXIT_PORT = 7000;
const PLAIN_PORT = 7001;
const ESTABLISHED = '01';
