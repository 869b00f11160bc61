import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Hosts } from '../../test/e2e/support/far-pair.ts';

/** The command of the emulator in that folder. @throws {Error} if there is none */
export function emulatorIn(folder: string): string {
  const command = resolve(folder, 'lab');
  if (!existsSync(command)) throw new Error(`no emulator in ${folder}: ${command} is missing`);
  return command;
}

/** Two hosts joined by emulated paths, from `up` to `close`. */
export class Emulator implements Hosts {
  readonly address = '10.77.0.2';
  readonly near: readonly string[];
  readonly far: readonly string[];
  readonly #command: string;
  readonly #state = mkdtempSync(join(tmpdir(), 'tcp-striper-paths-'));
  readonly #env: NodeJS.ProcessEnv;

  constructor(command: string) {
    this.#command = command;
    const name = `ts${process.pid}`;
    this.#env = { ...process.env, LAB: name, LAB_STATE: this.#state };
    this.near = ['ip', 'netns', 'exec', `${name}A`];
    this.far = ['ip', 'netns', 'exec', `${name}B`];
  }

  /** Puts up paths such as `w1:rtt=40,flowrate=8`, instead of those that there were. */
  async up(congestion: string, paths: readonly string[]): Promise<void> {
    await this.#run('up', '-c', congestion, ...paths);
    await this.tell('zero');
  }

  /** The near host's addresses: what is bound to the first takes the first path, and so on. */
  from(paths: number): string[] {
    return Array.from({ length: paths }, (_, index) => `10.77.${index + 1}.1`);
  }

  /** Gives an order, such as `stall w1 0.3`. @returns the answer */
  async tell(...order: string[]): Promise<string> {
    const answer = await this.#run(...order);
    if (answer.startsWith('error')) throw new Error(`${order.join(' ')}: ${answer.trim()}`);
    return answer;
  }

  /** Bytes with all headers that each path has carried from the near host to the far one, since `up`. */
  async carried(): Promise<number[]> {
    const lines = (await this.tell('json')).trim().split('\n');
    return lines
      .map((line) => JSON.parse(line) as { type: string; dir?: string; out_bytes?: number })
      .filter(({ type, dir }) => type === 'path' && dir === 'up')
      .map(({ out_bytes = 0 }) => out_bytes);
  }

  /** Null if figures since `up` are to be trusted, otherwise what was wrong. */
  async complaint(): Promise<string | null> {
    try {
      await this.#run('check');
      return null;
    } catch (error) {
      const { stdout = '' } = error as { stdout?: string };
      return stdout
        .split('\n')
        .filter((line) => /^(BAD|late)/.test(line))
        .join('; ');
    }
  }

  /** Takes everything down; may be called from an exit handler. */
  close(): void {
    execFileSync(this.#command, ['down'], { env: this.#env, stdio: 'ignore' });
    rmSync(this.#state, { recursive: true, force: true });
  }

  async #run(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(this.#command, args, { env: this.#env });
    return stdout;
  }
}
