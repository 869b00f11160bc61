import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/** Programs and the Debian packages that they come in. */
export type Needs = Readonly<Record<string, string>>;

/** Daemons live in folders that are not on everybody's PATH. */
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
/** ms */
const INSTALL_LIMIT = 180_000;

/**
 * Makes sure that the programs are there, by installing them where this process may.
 * @returns why they can't be had, for the skip of a test; false when they are there
 */
export async function missing(needs: Needs): Promise<string | false> {
  const absent = Object.keys(needs).filter((program) => find(program) === null);
  if (absent.length === 0) return false;
  const what = `${absent.join(', ')} not found`;
  if (process.platform !== 'linux' || !existsSync('/etc/debian_version')) {
    return `${what}; they are installed by this test on Debian only`;
  }
  if (process.getuid?.() !== 0) return `${what}; only root may install them`;
  try {
    await install([...new Set(absent.map((program) => needs[program]!))]);
  } catch (error) {
    return `${what}, and apt-get failed: ${String(error).trim().split('\n').at(-1)}`;
  }
  const still = absent.filter((program) => find(program) === null);
  return still.length > 0 && `${still.join(', ')} not found after their installation`;
}

/** The path of a program that `missing` has found. */
export function program(name: string): string {
  const path = find(name);
  if (path === null) throw new Error(`${name} not found`);
  return path;
}

function find(name: string): string | null {
  const paths = name.startsWith('/') ? [name] : folders.map((folder) => join(folder, name));
  return paths.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function install(packages: readonly string[]): Promise<void> {
  // Debian's own way to say that a package's services are not to be started.
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await aptGet('update');
    await aptGet('install', '--yes', '--no-install-recommends', ...packages);
  } finally {
    if (isOurs) rmSync(policy);
  }
}

async function aptGet(...args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await promisify(execFile)('apt-get', ['--quiet', ...args], { env, timeout: INSTALL_LIMIT });
}
