import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UsageError } from '../src/core/usage-error.ts';
import type { Contender } from './contender.ts';
import type { Measure } from './measure.ts';
import { bulk } from './measures/bulk.ts';
import { connections, messages, ping } from './measures/latency.ts';
import { many } from './measures/many.ts';
import { profile } from './measures/profile.ts';
import { startups } from './measures/startup.ts';
import { cli, relayOnce, striped } from './peers/striper.ts';

/**
 * Another build of this project beside this one. Several processes of each take turns, because two
 * processes of one build differ by some percent, too.
 * @throws {UsageError} if there is no build in the folder
 */
export function buildMeasures(folder: string, processes: number): Measure[] {
  const other = join(resolve(folder), 'dist', 'cli', 'main.js');
  if (!existsSync(other))
    throw new UsageError(`--against ${folder}: there is no ${other}; build it`);
  const crew = (make: (cli: string) => Contender) => {
    const there = { ...make(other), name: 'that build' };
    const here = { ...make(cli), name: 'this build' };
    return {
      baseline: there,
      // A place of its own for each process: what a contender has started is kept with its subject.
      contenders: Array.from({ length: processes }, () => [there, here]).flat(),
    };
  };
  const pair = crew((path) => striped(8, { cli: path }));
  const tls = crew((path) => striped(8, { cli: path, tls: true }));
  const hop = crew(relayOnce);
  const plain = { ...pair, through: 'Pair' };
  return [
    bulk({ ...plain, id: 'bulk', way: 'push', connections: 1 }),
    bulk({ ...plain, id: 'bulk-pull', way: 'pull', connections: 1 }),
    bulk({ ...plain, id: 'bulk-both', way: 'both', connections: 1 }),
    bulk({ ...plain, id: 'bulk-8', way: 'push', connections: 8 }),
    bulk({ ...plain, id: 'bulk-100', way: 'push', connections: 100 }),
    many(pair.contenders, pair.baseline),
    ping({ ...plain, id: 'ping' }),
    messages([64, 1024, 16_384, 65_536], { ...plain, id: 'messages' }),
    connections(16, { ...plain, id: 'connections' }),
    bulk({ ...tls, through: 'TLS pair', id: 'tls', way: 'push', connections: 1 }),
    bulk({ ...hop, through: 'One hop', id: 'relay', way: 'push', connections: 1 }),
    ...startups(other, cli),
    profile(pair.contenders, pair.baseline),
  ];
}
