import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { compile } from './compile.ts';

export type Way = 'push' | 'pull' | 'both';

/** A stretch of time, ms: `warm` is not counted. `onBegin` is called when `counted` begins. */
export interface Window {
  readonly warm: number;
  readonly counted: number;
  readonly onBegin?: () => void;
}

export interface BulkResult {
  /** Bytes that arrived within the window, over all connections and both directions. */
  readonly bytes: number;
  readonly seconds: number;
  /** Jain's index over the connections: 1 when all got the same, 1/n when one got everything. */
  readonly fairness: number;
}

export interface TimesResult {
  readonly count: number;
  readonly seconds: number;
  /** ms. */
  readonly p50: number;
  readonly p99: number;
}

/** Drives the source and sink: one command at a time. */
export class Load {
  readonly kind: 'c' | 'node';
  /** Where the proxies are to lead. */
  readonly target: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    kind: Load['kind'],
    child: ChildProcess,
    lines: AsyncIterator<string>,
    target: number,
  ) {
    this.kind = kind;
    this.#child = child;
    this.#lines = lines;
    this.target = target;
  }

  /** Compiles it if there is a compiler; otherwise a stand-in in JavaScript does the work, slower. */
  static async start(): Promise<Load> {
    const program = compile('load');
    const standIn = fileURLToPath(new URL('./stand-in.js', import.meta.url));
    const child =
      program === null
        ? spawn(process.execPath, [standIn], { stdio: ['pipe', 'pipe', 'inherit'] })
        : spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
    const { value } = await lines.next();
    if (value === undefined) throw new Error('the source and sink did not start');
    return new Load(program === null ? 'node' : 'c', child, lines, numbers(value).port ?? 0);
  }

  async bulk(port: number, way: Way, connections: number, window: Window): Promise<BulkResult> {
    const answer = await this.#timed(`bulk ${port} ${way} ${connections}`, window);
    return {
      bytes: field(answer, 'up') + field(answer, 'down'),
      seconds: field(answer, 'ms') / 1000,
      fairness: field(answer, 'fairness'),
    };
  }

  /** Each connection sends `size` bytes, waits until they are back, and does it again. */
  async ping(
    port: number,
    size: number,
    connections: number,
    window: Window,
  ): Promise<TimesResult> {
    return times(await this.#timed(`ping ${port} ${size} ${connections}`, window));
  }

  /** Connects, sends a byte, waits for one, closes; `atOnce` of them side by side. */
  async dial(port: number, atOnce: number, window: Window): Promise<TimesResult> {
    return times(await this.#timed(`dial ${port} ${atOnce}`, window));
  }

  /** Opens idle connections, each proven by a byte there and back. */
  async hold(port: number, connections: number): Promise<void> {
    this.#write(`hold ${port} ${connections}`);
    await this.#answer(60_000);
  }

  /** Closes what is held. */
  async drop(): Promise<void> {
    this.#write('drop');
    await this.#answer(60_000);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #timed(command: string, window: Window): Promise<Record<string, number>> {
    this.#write(`${command} ${Math.round(window.warm)} ${Math.round(window.counted)}`);
    const limit = 60_000 + window.warm + window.counted;
    await this.#answer(limit);
    window.onBegin?.();
    const answer = await this.#answer(limit);
    const broken = field(answer, 'broken');
    if (broken > 0) throw new Error(`${broken} connections broke or failed`);
    return answer;
  }

  #write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** @throws {Error} what the load complains about, or that it says nothing for `limit` ms */
  async #answer(limit: number): Promise<Record<string, number>> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        // What it says later would be taken for the answer to the next command.
        this.kill();
        reject(new Error(`the source and sink gave no answer within ${limit / 1000} s`));
      }, limit);
    });
    const next = this.#lines.next();
    try {
      const { value } = await Promise.race([next, late]);
      if (value === undefined) throw new Error('the source and sink have ended');
      return numbers(value);
    } finally {
      clearTimeout(timer);
      next.catch(() => {});
    }
  }
}

function numbers(line: string): Record<string, number> {
  const answer: unknown = JSON.parse(line);
  if (typeof answer !== 'object' || answer === null) throw new Error(`no answer: ${line}`);
  const fields = Object.entries(answer);
  const error = fields.find(([name]) => name === 'error');
  if (error !== undefined) throw new Error(String(error[1]));
  return Object.fromEntries(fields.map(([name, value]) => [name, Number(value)]));
}

function field(answer: Record<string, number>, name: string): number {
  const value = answer[name];
  if (value === undefined) throw new Error(`the answer lacks '${name}'`);
  return value;
}

function times(answer: Record<string, number>): TimesResult {
  const p50 = field(answer, 'p50');
  const p99 = field(answer, 'p99');
  return { count: field(answer, 'count'), seconds: field(answer, 'ms') / 1000, p50, p99 };
}
