import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Lab } from './lab.ts';

/** What a processor's time is spent on. */
export type Part = 'copies' | 'kernel' | 'cipher' | 'javascript' | 'program' | 'threads';
/** Of all that was seen; they add up to 1. */
export type Shares = Readonly<Record<Part, number>>;

/** Samples per second of a processor's time. */
const FREQUENCY = 2_000;
/** The kernel's copies to and from a program, as it calls them. */
const COPY = /^_*(raw_)?copy_(to|from)_(iter|user)|^copy_user_|^rep_movs/;
/** OpenSSL's AES-GCM, as a function of Node or by the library that has it. */
const CIPHER = /^_?(aesni|gcm|aes_gcm|ghash)_|^CRYPTO_gcm/;
const CIPHER_LIBRARY = /\/libcrypto\.so/;
/** Memory with code and without a file: what V8 has compiled. */
const COMPILED = /\[JIT\]|\/perf-\d+\.map|\/\/anon/;

/** Asks perf where some processes spend their time, from now on. */
export class Profiler {
  readonly #perf: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #path: string;
  #complaint = '';

  /** `duration`: ms. */
  constructor(lab: Lab, pids: readonly number[], duration: number) {
    this.#path = join(lab.folder, 'perf.data');
    const what = ['-e', 'cpu-clock', '-F', `${FREQUENCY}`, '-p', pids.join(',')];
    const args = ['record', '-q', ...what, '-o', this.#path, '--', 'sleep', `${duration / 1000}`];
    this.#perf = spawn('perf', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#perf.stderr?.on('data', (data: Buffer) => {
      if (this.#complaint.length < 4096) this.#complaint += data.toString();
    });
    this.#ended = once(this.#perf, 'exit');
    this.#ended.catch(() => {});
  }

  /** Waits until the time is over. @throws {Error} what perf complains about */
  async shares(): Promise<Shares> {
    await this.#ended;
    if (this.#perf.exitCode !== 0) throw new Error(`perf: ${this.#complaint.trim()}`);
    const asked = ['script', '-i', this.#path, '-F', 'pid,tid,ip,sym,dso'];
    const { stdout } = await promisify(execFile)('perf', asked, { maxBuffer: 2 ** 28 });
    return sharesOf(stdout);
  }
}

/**
 * The shares of samples in perf's words, one a line:
 *
 *     4711/4711  ffffffff81b6ab30 _copy_to_iter ([kernel.kallsyms])
 */
export function sharesOf(script: string): Shares {
  const counts = { copies: 0, kernel: 0, cipher: 0, javascript: 0, program: 0, threads: 0 };
  let all = 0;
  for (const line of script.split('\n')) {
    const found = /^\s*(\d+)\/(\d+)\s+[0-9a-f]+ (.*) \((.*)\)$/.exec(line);
    if (found === null) continue;
    const [, process, thread, symbol, file] = found;
    all += 1;
    counts[partOf(process === thread, symbol!, file!)] += 1;
  }
  if (all === 0) throw new Error('perf has seen nothing');
  return {
    copies: counts.copies / all,
    kernel: counts.kernel / all,
    cipher: counts.cipher / all,
    javascript: counts.javascript / all,
    program: counts.program / all,
    threads: counts.threads / all,
  };
}

function partOf(isMain: boolean, symbol: string, file: string): Part {
  if (!isMain) return 'threads';
  if (file.startsWith('[kernel')) return COPY.test(symbol) ? 'copies' : 'kernel';
  if (CIPHER.test(symbol) || CIPHER_LIBRARY.test(file)) return 'cipher';
  return COMPILED.test(file) ? 'javascript' : 'program';
}
