import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Bulk } from '../e2e/support/bulk.ts';
import { FarPair, type FarPairOptions } from '../e2e/support/far-pair.ts';
import { Messages } from '../e2e/support/messages.ts';
import { congestionControls, Namespaces, whyNoNamespaces } from '../e2e/support/netns.ts';
import { median, quantile } from '../e2e/support/numbers.ts';
import { until } from '../e2e/support/wait.ts';

/** 8 Mbit/s: bytes per second that a lane's TCP connection carries. */
const RATE = 1_000_000;
/** Rates and gaps are medians of so many. */
const RUNS = 3;
const reason = whyNoNamespaces();
const controls = reason === null ? congestionControls(['bbr', 'cubic']) : ['bbr', 'cubic'];

for (const congestion of controls) {
  describe(
    `across the kernel's shapers and policers, under ${congestion}`,
    {
      skip: reason ?? false,
    },
    () => cases(congestion),
  );
}

function cases(congestion: string): void {
  const limits = { timeout: 30_000 };

  test('8 shaped lanes, and messages beside bulk', limits, async (t) => {
    const { pair } = await start(t, congestion, { lanes: 8 });
    const bulk = new Bulk(...(await pair.join()));
    const messages = new Messages(...(await pair.join()), 20);
    t.after(() => messages.stop());
    await delay(1_500);
    const first = messages.times.length;
    const share = (await typicalRate(bulk)) / (8 * RATE);
    const tail = quantile(messages.times.slice(first), 0.99);
    t.diagnostic(`${percent(share)} of the caps; messages p99 ${ms(tail)}`);
    await bulk.stop();
    assert.ok(share < 1.01, `the caps do not hold: ${percent(share)}`);
    assert.ok(share >= 0.98, percent(share));
    owe(t, tail <= 30, `p99 at most 30 ms: ${ms(tail)}`);
  });

  test('three lanes and one of a tenth of their rate: 97 % of the sum', limits, async (t) => {
    const { net, pair } = await start(t, congestion, { lanes: 4 });
    net.reshape(pair.lanePorts()[0]!, RATE / 10);
    // Bytes of the slow lane release what had to wait for them, so that short spans differ.
    const bulk = new Bulk(...(await pair.join()));
    await delay(1_500);
    const from = performance.now();
    await delay(5_000);
    const share = bulk.rate(from, performance.now()) / (3.1 * RATE);
    t.diagnostic(`${percent(share)} of the sum`);
    await bulk.stop();
    assert.ok(share >= 0.97, percent(share));
  });

  test('4 policed lanes: 96 % of 4 plain TCP connections beside them', limits, async (t) => {
    const { pair } = await start(t, congestion, { lanes: 4, withPlain: true }, 'policed');
    const bulk = new Bulk(...(await pair.join()));
    const plain: Bulk[] = [];
    for (let index = 0; index < 4; index += 1) plain.push(new Bulk(...(await pair.joinPlain())));
    await delay(1_500);
    const from = performance.now();
    await delay(6_000);
    const end = performance.now();
    const theirs = plain.reduce((sum, one) => sum + one.rate(from, end), 0);
    const ours = bulk.rate(from, end);
    t.diagnostic(
      `${percent(ours / theirs)} of plain TCP, which had ${percent(theirs / (4 * RATE))} of the caps`,
    );
    for (const one of plain) one.destroy();
    await bulk.stop();
    assert.ok(theirs < 4.1 * RATE, `the caps do not hold: ${theirs}`);
    assert.ok(ours >= 0.96 * theirs, percent(ours / theirs));
  });

  test('a lane is blackholed for 3 s: no gap above 250 ms, nothing lost', limits, async (t) => {
    const { net, pair } = await start(t, congestion, { lanes: 4 });
    const bulk = new Bulk(...(await pair.join()));
    await delay(1_500);
    const from = performance.now();
    net.blackhole(pair.lanePorts()[0]!);
    await delay(3_000);
    net.heal();
    await delay(500);
    const gap = bulk.longestGap(from, performance.now());
    t.diagnostic(`longest gap ${ms(gap)}`);
    await bulk.stop();
    assert.ok(gap <= 250, ms(gap));
  });

  test('lanes are reset: nothing lost', limits, async (t) => {
    const { net, pair } = await start(t, congestion, { lanes: 4 });
    const bulk = new Bulk(...(await pair.join()));
    const gaps: number[] = [];
    while (gaps.length < RUNS) {
      await delay(1_000);
      const from = performance.now();
      net.refuse(pair.lanePorts()[0]!);
      const isEnded = () => pair.entry.linesLike(/lane ended/).length > gaps.length;
      await until(isEnded, 2_000, () => 'the lane ended');
      await delay(300);
      net.heal();
      await pair.hasLanes(4);
      gaps.push(bulk.longestGap(from, performance.now()));
    }
    t.diagnostic(`longest gaps ${gaps.map(ms).join(', ')}`);
    await bulk.stop();
    owe(t, median(gaps) <= 60, `gaps of at most 60 ms: ${ms(median(gaps))}`);
  });

  test('a lane is throttled twentyfold in flight: nothing lost', limits, async (t) => {
    const { net, pair } = await start(t, congestion, { lanes: 4 });
    const bulk = new Bulk(...(await pair.join()));
    await delay(1_500);
    const from = performance.now();
    net.reshape(pair.lanePorts()[0]!, RATE / 20);
    await delay(4_000);
    const now = performance.now();
    const gap = bulk.longestGap(from, now);
    const share = bulk.rate(from, now) / (3.05 * RATE);
    const found = `longest gap ${ms(gap)}, ${percent(share)} of what is left`;
    t.diagnostic(found);
    await bulk.stop();
    owe(t, gap <= 400 && share >= 0.93, `no gap above 400 ms, and 93 % of what is left: ${found}`);
  });
}

/** A bar that the kernel is known to make us miss at times: shown as such, and not as passed. */
function owe(t: TestContext, isMet: boolean, bar: string): void {
  if (!isMet) t.todo(bar);
}

/** A pair across the kernel's caps, until the end of the test. */
async function start(
  t: TestContext,
  congestion: string,
  options: FarPairOptions,
  caps: 'shaped' | 'policed' = 'shaped',
): Promise<{ net: Namespaces; pair: FarPair }> {
  const net = new Namespaces(congestion);
  t.after(() => net.close());
  if (caps === 'shaped') net.shape(RATE);
  else net.police(RATE, 64 * 1024);
  const pair = await FarPair.start(net, options);
  t.after(() => pair.stop());
  return { net, pair };
}

/** The median rate of some spans of time, bytes per second. */
async function typicalRate(bulk: Bulk): Promise<number> {
  const rates: number[] = [];
  while (rates.length < RUNS) {
    const from = performance.now();
    await delay(1_300);
    rates.push(bulk.rate(from, performance.now()));
  }
  return median(rates);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function ms(time: number): string {
  return `${time.toFixed(0)} ms`;
}
