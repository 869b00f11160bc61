import { plain, tls } from './catalogue.ts';
import { aggTunnel } from './peers/agg-tunnel.ts';
import { bareCOnce, bareCTwice } from './peers/bare-c.ts';
import {
  haproxyLargeTwice,
  haproxyOnce,
  haproxySpliceTwice,
  haproxyTls,
  haproxyTwice,
} from './peers/haproxy.ts';
import { nginxTwice } from './peers/nginx.ts';
import { nodePipeTwice, nodeTls } from './peers/node.ts';
import { socatLargeTwice } from './peers/socat.ts';
import { relay, relayTwice } from './peers/striper.ts';
import { stunnelPair } from './peers/stunnel.ts';
import { findMeasure, type RunResult, valuesOf } from './result.ts';
import { ratio, spread } from './statistics.ts';

/** What we hold ourselves to: a figure of ours, by itself or against the best of some rivals. */
export interface Bar {
  readonly claim: string;
  readonly measure: string;
  readonly figure: string;
  readonly subject: string;
  /** Without rivals the figure itself is judged, in this unit. */
  readonly rivals: readonly string[];
  readonly unit: string;
  /** What does less than ours, in Node and in C: the best of them shows what could be reached. */
  readonly floors?: { readonly node: readonly string[]; readonly c: readonly string[] };
  /** Without either it is reported and not judged. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Finding {
  readonly value: number;
  /** The rival that did best against us, where there were several. */
  readonly rival: string | null;
}

/** Null if the run has not measured it. */
export function find(bar: Bar, run: RunResult): Finding | null {
  const measure = findMeasure(run, bar.measure);
  if (measure === undefined) return null;
  const ours = valuesOf(measure, bar.subject, bar.figure);
  if (bar.rivals.length === 0) {
    const found = spread(ours);
    return found === null ? null : { value: found.median, rival: null };
  }
  const sign = bar.atMost === undefined ? 1 : -1;
  const [worst] = bar.rivals
    .flatMap((name) => {
      const value = ratio(ours, valuesOf(measure, name, bar.figure));
      return value === null
        ? []
        : [{ value: value.median, rival: bar.rivals.length > 1 ? name : null }];
    })
    .toSorted((a, b) => sign * (a.value - b.value));
  return worst ?? null;
}

/** How the best of the bar's floors in that language would be judged; null if there is none. */
export function findFloor(bar: Bar, language: 'node' | 'c', run: RunResult): Finding | null {
  const sign = bar.atMost === undefined ? 1 : -1;
  const [best] = (bar.floors?.[language] ?? [])
    .flatMap((subject) => {
      const finding = find({ ...bar, subject }, run);
      return finding === null ? [] : [{ value: finding.value, rival: subject }];
    })
    .toSorted((a, b) => sign * (b.value - a.value));
  return best ?? null;
}

export function isMet(bar: Bar, { value }: Finding): boolean {
  return value >= (bar.atLeast ?? -Infinity) && value <= (bar.atMost ?? Infinity);
}

export function barsFor(run: RunResult): Bar[] {
  // Node 22 and later encrypt faster.
  const isFast = Number(/\d+/.exec(run.machine.node)?.[0]) >= 22;
  const rate = { figure: 'rate', subject: plain.name, unit: '×' };
  const floors = { node: [nodePipeTwice.name, relayTwice.name], c: [bareCTwice.name] };
  const agg = { subject: plain.name, rivals: [aggTunnel.name], unit: '×' };
  return [
    {
      ...rate,
      claim: 'plain pair, 1 connection: throughput against HAProxy twice',
      floors,
      measure: 'bulk',
      rivals: [haproxyTwice.name],
      atLeast: 1.7,
    },
    {
      ...rate,
      claim: 'the same against the best copying peer (HAProxy 64 KiB, nginx, socat 64 KiB)',
      floors,
      measure: 'bulk',
      rivals: [haproxyLargeTwice.name, nginxTwice.name, socatLargeTwice.name],
      atLeast: 1.0,
    },
    {
      ...rate,
      claim: 'the same against HAProxy twice with splice',
      measure: 'bulk',
      rivals: [haproxySpliceTwice.name],
    },
    {
      ...rate,
      claim: 'plain pair: CPU per GB against HAProxy twice',
      floors,
      measure: 'bulk',
      figure: 'cpu',
      rivals: [haproxyTwice.name],
      atMost: 0.55,
    },
    {
      ...rate,
      claim: 'TLS pair: throughput against the better of HAProxy-TLS and stunnel',
      floors: { node: [nodeTls.name], c: [] },
      measure: 'tls',
      subject: tls.name,
      rivals: [haproxyTls.name, stunnelPair.name],
      atLeast: isFast ? 1.25 : 1.15,
    },
    {
      ...rate,
      claim: 'plain relay: throughput against one HAProxy',
      floors: { node: [], c: [bareCOnce.name] },
      measure: 'relay',
      subject: relay.name,
      rivals: [haproxyOnce.name],
      atLeast: 1.5,
    },
    {
      ...rate,
      claim: 'plain pair: ping-pong p50 against HAProxy twice',
      floors,
      measure: 'ping',
      figure: 'p50',
      rivals: [haproxyTwice.name],
      atMost: 1.05,
    },
    {
      ...rate,
      claim: 'the same, p99',
      floors,
      measure: 'ping',
      figure: 'p99',
      rivals: [haproxyTwice.name],
      atMost: 1.2,
    },
    {
      ...rate,
      claim: 'plain pair: connections per second against HAProxy twice',
      floors,
      measure: 'connections',
      figure: 'perSecond',
      rivals: [haproxyTwice.name],
      atLeast: 1.0,
    },
    {
      ...agg,
      claim: 'against agg-tunnel: throughput',
      measure: 'bulk',
      figure: 'rate',
      atLeast: 1.0,
    },
    {
      ...agg,
      claim: 'against agg-tunnel: CPU per GB',
      measure: 'bulk',
      figure: 'cpu',
      atMost: 1.0,
    },
    {
      ...agg,
      claim: 'against agg-tunnel: ping-pong p50',
      measure: 'ping',
      figure: 'p50',
      atMost: 1.0,
    },
    {
      ...agg,
      claim: 'against agg-tunnel: connections per second',
      measure: 'connections',
      figure: 'perSecond',
      atLeast: 1.0,
    },
    {
      ...rate,
      claim: '1,000 connections pushing: throughput against HAProxy twice',
      floors: { node: [relayTwice.name], c: [] },
      measure: 'many',
      rivals: [haproxyTwice.name],
      atLeast: 1.0,
    },
    {
      ...rate,
      claim: 'the same: peak RSS of the larger proxy, at the default `--memory` of 256 MiB',
      measure: 'many',
      figure: 'larger',
      rivals: [],
      unit: ' MiB',
      atMost: 256,
    },
    {
      ...rate,
      claim: 'memory per idle connection, both proxies',
      measure: 'idle-1000',
      figure: 'each',
      rivals: [],
      unit: ' KiB',
      atMost: 20,
    },
    {
      ...rate,
      claim: '16 lanes against 1: throughput',
      measure: 'lanes',
      subject: 'striped, 16 lanes',
      rivals: ['striped, 1 lane'],
      atLeast: 0.9,
    },
    {
      claim: '`exit` ready',
      measure: 'startup',
      figure: 'ms',
      subject: 'exit',
      rivals: [],
      unit: ' ms',
      atMost: 150,
    },
    {
      claim: '`entry` ready',
      measure: 'startup',
      figure: 'ms',
      subject: 'entry',
      rivals: [],
      unit: ' ms',
      atMost: 150,
    },
  ];
}
