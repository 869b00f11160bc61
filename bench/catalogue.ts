import { type Contender, direct } from './contender.ts';
import type { Way } from './load.ts';
import type { Measure } from './measure.ts';
import { bulk } from './measures/bulk.ts';
import { idle } from './measures/idle.ts';
import { connections, messages, ping } from './measures/latency.ts';
import { many } from './measures/many.ts';
import { profile, profileConnections, profileTls } from './measures/profile.ts';
import { startup } from './measures/startup.ts';
import { aggTunnel } from './peers/agg-tunnel.ts';
import { bareCOnce, bareCTwice } from './peers/bare-c.ts';
import {
  haproxyLargeTwice,
  haproxyOnce,
  haproxySpliceOnce,
  haproxySpliceTwice,
  haproxyTls,
  haproxyTwice,
} from './peers/haproxy.ts';
import { nginxOnce, nginxTwice } from './peers/nginx.ts';
import { nodePipeTwice, nodeTls } from './peers/node.ts';
import { socatLargeTwice, socatTwice } from './peers/socat.ts';
import { relay, relayTwice, striped } from './peers/striper.ts';
import { stunnelPair } from './peers/stunnel.ts';

export const plain = striped(8);
export const tls = striped(8, { tls: true });

export interface Scope {
  /** Fewer contenders and sizes. */
  readonly isQuick: boolean;
  readonly withAggTunnel: boolean;
  /** Idle connections of the largest measure. */
  readonly connections: number;
}

/** All that can be measured, in the order of the report. */
export function catalogue({ isQuick, withAggTunnel, connections: most }: Scope): Measure[] {
  const agg = withAggTunnel ? [aggTunnel] : [];
  const floors = [bareCTwice, nodePipeTwice, relayTwice];
  const few = [haproxyTwice, plain];
  const some = isQuick
    ? few
    : [haproxyTwice, haproxyLargeTwice, haproxySpliceTwice, nginxTwice, plain];
  const all = [
    direct,
    haproxyTwice,
    haproxyLargeTwice,
    haproxySpliceTwice,
    nginxTwice,
    ...(isQuick ? [] : [socatTwice]),
    socatLargeTwice,
    ...agg,
    ...floors,
    plain,
  ];
  const encrypted = [haproxyTls, stunnelPair, tls];
  const pair = { through: 'Pair', baseline: haproxyTwice };
  const tlsPair = { through: 'TLS pair', baseline: haproxyTls, contenders: encrypted };
  const hop = { through: 'One hop', baseline: haproxyOnce };
  const hops = [haproxyOnce, haproxySpliceOnce, nginxOnce, bareCOnce, relay];
  const pingers = [
    direct,
    haproxyTwice,
    ...(isQuick ? [] : [nginxTwice, socatLargeTwice]),
    ...agg,
    ...floors,
    plain,
  ];
  const dialled = [haproxyTwice, ...(isQuick ? [] : [nginxTwice]), ...agg, ...floors, plain];

  return [
    ...bulks('bulk', 1, { push: all, pull: some, both: some }, pair),
    ...bulks('bulk-8', 8, { push: some, pull: some, both: some }, pair),
    ...bulks('bulk-100', 100, { push: some, pull: some, both: some }, pair),
    many(
      isQuick ? few : [haproxyTwice, haproxyLargeTwice, nginxTwice, relayTwice, plain, tls],
      haproxyTwice,
    ),
    lanes(isQuick ? [1, 16] : [1, 2, 4, 8, 16]),
    ...workers(isQuick),
    ping({ ...pair, id: 'ping', contenders: pingers }),
    messages(isQuick ? [64, 65_536] : [64, 1024, 16_384, 65_536], {
      ...pair,
      id: 'messages',
      contenders: some,
    }),
    connections(16, { ...pair, id: 'connections', contenders: [direct, ...dialled] }),
    connections(1, { ...pair, id: 'first-byte', contenders: [direct, ...dialled] }),
    ...bulks(
      'tls',
      1,
      { push: [...encrypted, nodeTls], pull: encrypted, both: encrypted },
      tlsPair,
    ),
    ...bulks('tls-8', 8, { push: encrypted }, tlsPair),
    ping({ ...tlsPair, id: 'tls-ping' }),
    connections(16, { ...tlsPair, id: 'tls-connections' }),
    ...bulks('relay', 1, { push: hops, pull: hops }, hop),
    ...bulks('relay-8', 8, { push: hops }, hop),
    ping({ ...hop, id: 'relay-ping', contenders: hops }),
    connections(16, { ...hop, id: 'relay-connections', contenders: hops }),
    ...[1000, most]
      .filter((count, at) => at === 0 || count > 1000)
      .map((count) =>
        idle(count, isQuick ? few : [haproxyTwice, nginxTwice, plain, tls], haproxyTwice),
      ),
    startup(),
    profile([haproxyTwice, bareCTwice, relayTwice, plain], haproxyTwice),
    profileTls([haproxyTls, nodeTls, tls], haproxyTls),
    profileConnections(16, [haproxyTwice, bareCTwice, relayTwice, plain], haproxyTwice),
    ...[
      ...bulks('bulk', 1, { push: [haproxyTwice, relayTwice, plain] }, pair),
      ping({ ...pair, id: 'ping', contenders: [haproxyTwice, relayTwice, plain] }),
      connections(16, {
        ...pair,
        id: 'connections',
        contenders: [haproxyTwice, relayTwice, plain],
      }),
    ].map(fresh),
  ];
}

/** The first seconds after a start, while what is compiled as it runs is not. */
function fresh(measure: Measure): Measure {
  return {
    ...measure,
    id: `fresh-${measure.id}`,
    title: `Just started. ${measure.title}`,
    note: `${measure.note} Processes of their own in each round, counted from their first work on.`.trim(),
    isFreshEachRound: true,
  };
}

/** One measure for each direction. */
function bulks(
  id: string,
  connections: number,
  contenders: Partial<Record<Way, readonly Contender[]>>,
  { through, baseline }: { through: string; baseline: Contender },
): Measure[] {
  const ways: Way[] = ['push', 'pull', 'both'];
  return ways.flatMap((way) => {
    const those = contenders[way];
    const name = way === 'push' ? id : `${id}-${way}`;
    if (those === undefined) return [];
    return [bulk({ id: name, through, way, connections, contenders: those, baseline })];
  });
}

function lanes(counts: readonly number[]): Measure {
  const contenders = counts.map((count) => striped(count));
  const one = contenders[0]!;
  return {
    ...bulk({
      id: 'lanes',
      through: 'Lanes',
      way: 'push',
      connections: 1,
      contenders,
      baseline: one,
    }),
    title: 'How many lanes: bulk over 1 connection, towards the target',
    note: 'Lanes cost little where nothing caps them.',
  };
}

/** One process at each end against two, with the work of many connections to share. */
function workers(isQuick: boolean): Measure[] {
  const crew = (options: { tls: boolean }) => ({
    contenders: [striped(8, options), striped(8, { ...options, workers: 2 })],
    baseline: striped(8, options),
  });
  const pushed = (id: string, through: string, count: number, options: { tls: boolean }) =>
    bulk({ id, through, way: 'push', connections: count, ...crew(options) });
  const measures = [
    pushed('workers-bulk', 'Workers', 100, { tls: false }),
    pushed('workers-tls', 'Workers, TLS', 100, { tls: true }),
    pushed('workers-one', 'Workers', 1, { tls: false }),
    connections(16, { id: 'workers-connections', through: 'Workers', ...crew({ tls: false }) }),
  ];
  return isQuick ? measures.slice(0, 1) : measures;
}

/** Left out when time is short, unless asked for by name. */
export const slow: readonly string[] = [
  'workers-tls',
  'workers-one',
  'workers-connections',
  'bulk-both',
  'bulk-8',
  'bulk-8-pull',
  'bulk-8-both',
  'bulk-100-pull',
  'bulk-100-both',
  'tls-pull',
  'tls-both',
  'tls-8',
  'tls-connections',
  'relay-pull',
  'relay-8',
  'relay-ping',
  'relay-connections',
  'profile',
  'profile-tls',
  'profile-connections',
  'fresh-bulk',
  'fresh-ping',
  'fresh-connections',
];
