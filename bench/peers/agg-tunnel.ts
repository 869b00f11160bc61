import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Contender } from '../contender.ts';

/** Newer ones ask for a newer Rust than most machines have. */
const VERSION = '0.18.12';
const LINKS = 8;
/** What the two ends call the one port that they forward. */
const NAME = 1;

const root = join(
  process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
  'tcp-striper-bench',
  VERSION,
);
export const aggTunnelCommand = join(root, 'bin', 'agg-tunnel');

/**
 * Aggligator's tunnel. It makes one link per address of its server, so it gets as many addresses of
 * loopback as we have lanes.
 */
export const aggTunnel: Contender = {
  name: `agg-tunnel, ${LINKS} links`,
  needs: [],
  hops: [
    (lab, listen, to) => {
      const addresses = Array.from({ length: LINKS }, (_, link) => `127.0.0.${link + 1}:${to}`);
      const targets = addresses.flatMap((address) => ['--tcp', address]);
      const args = ['client', '-n', '-p', `${NAME}:${listen}`, '--tcp-link-filter', 'none'];
      return lab.start(listen, aggTunnelCommand, [...args, ...targets]);
    },
    (lab, listen, to) =>
      lab.start(listen, aggTunnelCommand, [
        ...['server', '-n', '-p', `127.0.0.1:${to}:${NAME}`, '--tcp', `${listen}`],
      ]),
  ],
};

/** Builds it with cargo, once; minutes. @throws {Error} if that cannot be done */
export function installAggTunnel(): void {
  if (existsSync(aggTunnelCommand)) return;
  console.error(`building agg-tunnel ${VERSION} with cargo: this takes minutes, once`);
  const args = ['install', 'aggligator-util', '--version', VERSION, '--locked', '--root', root];
  const done = spawnSync('cargo', [...args, '--bin', 'agg-tunnel', '--no-default-features'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (done.error !== undefined)
    throw new Error('agg-tunnel needs cargo (Debian: apt install cargo)');
  if (done.status !== 0) throw new Error('cargo could not build agg-tunnel');
}
