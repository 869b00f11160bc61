import { setTimeout as sleep } from 'node:timers/promises';
import type { Chain, Contender } from '../contender.ts';
import { chainSubject, type Measure } from '../measure.ts';

/** How long a process may take to come to rest, ms. */
const REST = 1_500;

/** Memory of connections that do nothing. */
export function idle(
  connections: number,
  contenders: readonly Contender[],
  baseline: Contender,
): Measure {
  const count = connections.toLocaleString('en');
  return {
    id: `idle-${connections}`,
    title: `Memory with ${count} idle connections`,
    note: 'RSS of both proxies together, in fresh processes; each connection has carried one byte each way. Per connection: what the connections have added.',
    figures: [
      { key: 'each', title: 'KiB per connection', digits: 1 },
      { key: 'idle', title: 'MiB without any', digits: 1 },
      { key: 'full', title: `MiB with ${count}`, digits: 1 },
    ],
    baseline: baseline.name,
    isFreshEachRound: true,
    rounds: 3,
    subjects: contenders.map((contender) =>
      chainSubject(contender, async ({ load }, chain) => {
        await sleep(REST);
        const before = resident(chain);
        await load.hold(chain.port, connections);
        await sleep(REST);
        const after = resident(chain);
        await load.drop();
        return {
          each: (after - before) / connections / 1024,
          idle: before / 2 ** 20,
          full: after / 2 ** 20,
        };
      }),
    ),
  };
}

function resident({ proxies }: Chain): number {
  return proxies.reduce((sum, proxy) => sum + proxy.residentBytes, 0);
}
