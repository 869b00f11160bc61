import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ProxyStatus } from '../../../src/app/status.ts';
import { until, within } from './wait.ts';

/** What a proxy logs, as JSON. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const main = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
/** ms */
const START_LIMIT = 10_000;

/** An entry or exit in a process of its own, started from the command line like a user's. */
export class ProxyProcess {
  /** Every line of its log so far. */
  readonly log: LogLine[] = [];
  readonly ended: Promise<End>;
  readonly #child: ChildProcess;
  #listen = '';
  #admin = '';

  /**
   * Resolves once it listens. `key` is the text of a key; `prefix` is a command that runs it elsewhere,
   * such as `ip netns exec NAME`, and must end up as this very process.
   */
  static async start(
    args: readonly string[],
    key: string,
    prefix: readonly string[] = [],
  ): Promise<ProxyProcess> {
    const proxy = new ProxyProcess(args, key, prefix);
    try {
      await within(START_LIMIT, proxy.#listening(), `start of ${args.join(' ')}`);
    } catch (error) {
      await proxy.kill();
      throw error;
    }
    return proxy;
  }

  private constructor(args: readonly string[], key: string, prefix: readonly string[]) {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const proxy = [process.execPath, main, ...args];
    const [command, ...rest] = [...prefix, ...proxy];
    this.#child = spawn(command!, [...rest, '--admin', '127.0.0.1:0', '--log-format', 'json'], {
      env: { ...env, TCP_STRIPER_KEY: key },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface(this.#child.stdout!).on('line', (line) => {
      this.#listen ||= /^listening on (.*)/.exec(line)?.[1] ?? '';
      this.#admin ||= /^admin at (.*)/.exec(line)?.[1] ?? '';
    });
    createInterface(this.#child.stderr!).on('line', (line) => this.#onLogLine(line));
    this.ended = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** `HOST:PORT` or `unix:/path`. */
  get listen(): string {
    return this.#listen;
  }

  get port(): number {
    return Number(this.#listen.split(':').at(-1));
  }

  /** `HOST:PORT`, on the host on which it runs. */
  get admin(): string {
    return this.#admin.replace('http://', '');
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends it without ceremony. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  async status(): Promise<ProxyStatus> {
    const { status, body } = await this.#ask('/api/v1/status');
    assert.equal(status, 200);
    return body as ProxyStatus;
  }

  async readiness(): Promise<{ status: number; reason: string | undefined }> {
    const { status, body } = await this.#ask('/readyz');
    return { status, reason: (body as { reason?: string }).reason };
  }

  /** Resolves with the first line of the log that matches, old or to come. */
  async logged(pattern: RegExp, limit = 5_000): Promise<LogLine> {
    const find = (): LogLine | undefined => this.log.find((line) => pattern.test(textOf(line)));
    return until(find, limit, () => `${pattern} in the log:\n${this.logText}`);
  }

  linesLike(pattern: RegExp): LogLine[] {
    return this.log.filter((line) => pattern.test(textOf(line)));
  }

  get logText(): string {
    return this.log.map((line) => JSON.stringify(line)).join('\n');
  }

  /** Resident memory, bytes. Linux only. */
  get rss(): number {
    const [, pages] = readFileSync(`/proc/${this.pid}/statm`, 'utf8').split(' ');
    return Number(pages) * 4096;
  }

  /** Sockets that it has open. Linux only, like `rss`. */
  get sockets(): number {
    const folder = `/proc/${this.pid}/fd`;
    return readdirSync(folder).filter((fd) => linkOf(`${folder}/${fd}`).startsWith('socket:'))
      .length;
  }

  async #listening(): Promise<void> {
    const end = await Promise.race([
      this.ended,
      until(
        () => this.#admin !== '',
        START_LIMIT,
        () => 'a line with the admin server',
      ),
    ]);
    if (end !== true) throw new Error(`it ended with ${JSON.stringify(end)}:\n${this.logText}`);
  }

  async #ask(path: string): Promise<{ status: number; body: unknown }> {
    const response = await fetch(this.#admin + path, { headers: { connection: 'close' } });
    return { status: response.status, body: await response.json() };
  }

  #onLogLine(line: string): void {
    try {
      this.log.push(JSON.parse(line));
    } catch {
      this.log.push({ level: 'error', message: line });
    }
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // it was closed meanwhile
  }
}

function textOf({ level, message, time: _, ...fields }: LogLine): string {
  return [level, message, ...Object.values(fields)].join(' ');
}
