import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CpuTime,
  cpuTime,
  family,
  isListening,
  peakResidentBytes,
  residentBytes,
} from './proc.ts';

/** Where contenders run: a folder of their own, free ports of loopback, and an end for each process. */
export class Lab {
  readonly folder = mkdtempSync(join(tmpdir(), 'tcp-striper-bench-'));
  readonly #proxies = new Set<ProxyProcess>();

  /** Writes a file and answers its path. */
  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /**
   * Starts a proxy and waits until it listens at `port`.
   * @throws {Error} if it ends first, or does not listen in time
   */
  async start(port: number, command: string, args: readonly string[]): Promise<ProxyProcess> {
    const proxy = new ProxyProcess(command, args);
    this.#proxies.add(proxy);
    try {
      await until(() => {
        proxy.check();
        return isListening(port);
      }, `${command} did not listen at port ${port}`);
    } catch (error) {
      await this.stop([proxy]);
      throw error;
    }
    return proxy;
  }

  /** Ends the proxies and waits until they are gone. */
  async stop(proxies: readonly ProxyProcess[]): Promise<void> {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    for (const proxy of proxies) this.#proxies.delete(proxy);
  }

  /** Ends everything at once; may be called from an exit handler. */
  close(): void {
    for (const proxy of this.#proxies) proxy.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A process under test, with all that it forks. */
export class ProxyProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #command: string;
  #complaint = '';
  #end: string | null = null;

  constructor(command: string, args: readonly string[]) {
    this.#command = command;
    // A group of its own, so that what it forks ends with it.
    this.#child = spawn('sh', ['-c', RAISE_LIMIT, 'sh', command, ...args], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.on('data', (data: Buffer) => {
      if (this.#complaint.length < 4096) this.#complaint += data.toString();
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#end = error.message;
        resolve();
      });
      this.#child.once('exit', (code, signal) => {
        this.#end = signal ?? `exit status ${code}`;
        resolve();
      });
    });
  }

  /** @throws {Error} if it has ended */
  check(): void {
    if (this.#end === null) return;
    const lines = this.#complaint.trim().split('\n').slice(-3).join('; ');
    throw new Error(`${this.#command} ended (${this.#end}): ${lines}`);
  }

  get cpuTime(): CpuTime {
    return {
      user: this.#sum((pid) => cpuTime(pid).user),
      kernel: this.#sum((pid) => cpuTime(pid).kernel),
    };
  }

  /** Of the process and of what it forked. */
  get pids(): number[] {
    const { pid } = this.#child;
    return pid === undefined ? [] : family(pid);
  }

  get residentBytes(): number {
    return this.#sum(residentBytes);
  }

  get peakResidentBytes(): number {
    return this.#sum(peakResidentBytes);
  }

  kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }

  async stop(): Promise<void> {
    this.kill();
    await this.#ended;
  }

  #sum(what: (pid: number) => number): number {
    return this.pids.reduce((sum, pid) => sum + what(pid), 0);
  }
}

/** A port of loopback that nothing listens at. Another process could take it before its user does. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

/** @throws {Error} `message`, when the condition is still false after 10 s */
export async function until(condition: () => boolean, message: string): Promise<void> {
  const limit = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > limit) throw new Error(message);
    await sleep(5);
  }
}

/** How many connections one proxy can carry here: each needs two descriptors. */
export function mostConnections(): number {
  const asked = spawnSync('sh', ['-c', RAISE_LIMIT, 'sh', 'sh', '-c', 'ulimit -n'], {
    encoding: 'utf8',
  });
  const spare = 100;
  return Math.floor((Number(asked.stdout) - spare) / 2);
}

/** Many connections need many descriptors; root may have more than the hard limit. */
const RAISE_LIMIT =
  'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$@"';
