import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

export interface CommandOptions {
  /** Added to an environment that holds nothing of ours. */
  readonly env?: Readonly<Record<string, string>>;
}

/** One run of the real command line, in a process of its own. */
export class Command {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  /** The exit status, or the signal that ended the process. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[], { env = {} }: CommandOptions = {}) {
    this.child = spawn(process.execPath, [main, ...args], {
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        resolve(code ?? signal!);
        this.#wake();
      });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** The first group of the first match in stdout; fails when the process ends without it. */
  printed(pattern: RegExp): Promise<string> {
    return this.#found('stdout', pattern);
  }

  logged(pattern: RegExp): Promise<string> {
    return this.#found('stderr', pattern);
  }

  async #found(where: 'stdout' | 'stderr', pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this[where]);
      if (match !== null) return match[1] ?? match[0];
      const { exitCode, signalCode } = this.child;
      const isOver = exitCode !== null || signalCode !== null;
      assert.ok(!isOver, `ended with ${exitCode ?? signalCode} without ${pattern}: ${this.stderr}`);
      await new Promise<void>((wake) => this.#waiting.add(wake));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<{ status: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const command = new Command(args, options);
  const status = await command.ended;
  return { status, stdout: command.stdout, stderr: command.stderr };
}

function cleanEnvironment(): Record<string, string | undefined> {
  const ours = /^(TCP_STRIPER_|XDG_CONFIG_HOME$|NO_COLOR$|FORCE_COLOR$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}
