import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { until } from '../../e2e/support/wait.ts';
import { program } from './packages.ts';

/** What a program that was run to its end has said. */
export interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
  /** Numbers of a user and group to run as; only root can. */
  readonly uid?: number;
  readonly gid?: number;
  /** ms; default 60 s. */
  readonly timeout?: number;
}

/** Runs a program to its end, whatever its exit status. */
export async function run(
  name: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  const { input, timeout = 60_000, ...how } = options;
  const child = spawn(program(name), args, { ...how, timeout, killSignal: 'SIGKILL' });
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece;
  });
  // A program may end without reading all of it.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal !== null) stderr += `\n(ended by ${signal}, within ${timeout} ms)`;
  return { code, stdout: Buffer.concat(stdout), stderr };
}

/** As `run`, for a program that must succeed. @returns its stdout */
export async function must(
  name: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Buffer> {
  const { code, stdout, stderr } = await run(name, args, options);
  if (code === 0) return stdout;
  const output = stdout.subarray(-2_000).toString();
  throw new Error(`${name} ${args.join(' ')} ended with ${code}:\n${stderr}\n${output}`);
}

export interface ServeOptions extends RunOptions {
  /** What it prints once it listens; by default a connection is tried. */
  readonly greeting?: string;
}

/** Starts a server, waits until it listens on `port`, and ends it with the test. */
export async function serve(
  t: TestContext,
  port: number,
  name: string,
  args: readonly string[],
  options: ServeOptions = {},
): Promise<void> {
  const { env, uid, gid, greeting } = options;
  const child = spawn(program(name), args, {
    ...(env && { env }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const out of [child.stdout, child.stderr]) {
    out.on('data', (piece: Buffer) => {
      output = (output + piece).slice(-4_000);
    });
  }
  t.after(() => end(child));
  const isUp = async (): Promise<boolean> => {
    if (child.exitCode !== null)
      throw new Error(`${name} ended with ${child.exitCode}:\n${output}`);
    return greeting === undefined ? takesConnections(port) : output.includes(greeting);
  };
  await until(isUp, 20_000, () => `${name} on port ${port}:\n${output}`);
}

/** A port that nobody has right now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A folder of the test's own, gone with it. `owner`: user and group that it belongs to. */
export function temporaryFolder(t: TestContext, owner?: { uid: number; gid: number }): string {
  const folder = mkdtempSync(join(tmpdir(), 'striper-'));
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await once(child, 'exit');
  clearTimeout(timer);
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
