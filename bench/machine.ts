import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { version } from '../src/core/version.ts';
import { aggTunnelCommand } from './peers/agg-tunnel.ts';
import type { Machine } from './result.ts';
import { repositoryRoot } from './root.ts';

/** Commands that we are compared to or that help with it, and Debian's packages that bring them. */
const packages: Readonly<Record<string, string>> = {
  haproxy: 'haproxy',
  nginx: 'nginx libnginx-mod-stream',
  socat: 'socat',
  stunnel4: 'stunnel4',
  openssl: 'openssl',
  cc: 'gcc libc6-dev',
  perf: 'linux-perf',
};

/** Where Debian keeps daemons; not on every user's path. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

/** Lets commands be found that only root usually needs. */
export function widenPath(): void {
  process.env.PATH = [process.env.PATH, ...SYSTEM_FOLDERS].join(':');
}

export function isInstalled(command: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => isExecutable(join(folder, command)));
}

/** The packages that bring what is missing of these commands. */
export function missingPackages(commands: readonly string[]): string[] {
  return Object.keys(packages)
    .filter((command) => commands.includes(command) && !isInstalled(command))
    .flatMap((command) => packages[command]!.split(' '));
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `Linux ${release()}`,
    node: process.version,
    peers: peerVersions(),
  };
}

/** Of this project: the release, and the commit where that is known. */
export function projectVersion(): string {
  const git = spawnSync('git', ['describe', '--always', '--dirty'], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  const commit = git.status === 0 ? git.stdout.trim() : '';
  return commit === '' ? version : `${version} (${commit})`;
}

function peerVersions(): Record<string, string> {
  const asked: Record<string, readonly string[]> = {
    haproxy: ['haproxy', '-v'],
    nginx: ['nginx', '-v'],
    socat: ['socat', '-V'],
    stunnel: ['stunnel4', '-version'],
    'agg-tunnel': [aggTunnelCommand, '--version'],
  };
  const found: Record<string, string> = {};
  for (const [peer, [command, ...args]] of Object.entries(asked)) {
    const done = spawnSync(command!, args, { encoding: 'utf8' });
    // Some say it on stderr, and some not in the first line.
    const text = `${done.stdout ?? ''}${done.stderr ?? ''}`;
    const number = /\d+\.\d+(\.\d+)*/.exec(
      text.slice(Math.max(0, text.search(/version|stunnel|agg/i))),
    );
    if (number !== null) found[peer] = number[0];
  }
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
