import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Bulk } from './support/bulk.ts';
import { FarPair, type FarPairOptions } from './support/far-pair.ts';
import { Messages } from './support/messages.ts';
import { congestionControls, Namespaces, whyNoNamespaces } from './support/netns.ts';
import { quantile } from './support/numbers.ts';

/** 8 Mbit/s: bytes per second that a lane's TCP connection carries. */
const RATE = 1_000_000;
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

  test(
    '8 shaped lanes: at least 98 % of the caps; messages beside bulk: p99 at most 30 ms',
    limits,
    async (t) => {
      const { bulk, messages } = await World.start(t, congestion, { lanes: 8 });
      await delay(1_500);
      const first = messages.times.length;
      const share = (await rateFor(bulk, 4_000)) / (8 * RATE);
      const tail = quantile(messages.times.slice(first), 0.99);
      t.diagnostic(`${percent(share)} of the caps; messages p99 ${tail.toFixed(1)} ms`);
      await bulk.stop();
      assert.ok(share < 1.01, `the caps do not hold: ${percent(share)}`);
      assert.ok(share >= 0.98, percent(share));
      assert.ok(tail <= 30, `p99 ${tail} ms`);
    },
  );

  test(
    'three lanes and one of a tenth of their rate: at least 97 % of the sum',
    limits,
    async (t) => {
      const { net, pair, bulk } = await World.start(t, congestion, { lanes: 4 });
      net.reshape(pair.lanePorts()[0]!, RATE / 10);
      await delay(2_000);
      const share = (await rateFor(bulk, 4_000)) / (3.1 * RATE);
      t.diagnostic(`${percent(share)} of the sum`);
      await bulk.stop();
      assert.ok(share < 1.01, `the caps do not hold: ${percent(share)}`);
      assert.ok(share >= 0.97, percent(share));
    },
  );

  test(
    '4 policed lanes: at least 96 % of 4 plain TCP connections beside them',
    limits,
    async (t) => {
      const world = await World.start(t, congestion, { lanes: 4, withPlain: true }, 'policed');
      const { pair, bulk } = world;
      const plain: Bulk[] = [];
      for (let index = 0; index < 4; index += 1) plain.push(new Bulk(...(await pair.joinPlain())));
      await delay(2_000);
      const [from, until] = [performance.now(), performance.now() + 6_000];
      await delay(6_000);
      const theirs = plain.reduce((sum, one) => sum + one.rate(from, until), 0);
      const ours = bulk.rate(from, until);
      t.diagnostic(
        `${percent(ours / theirs)} of plain TCP, which had ${percent(theirs / (4 * RATE))} of the caps`,
      );
      for (const one of plain) one.destroy();
      await bulk.stop();
      assert.ok(theirs < 4.1 * RATE, `the caps do not hold: ${theirs}`);
      assert.ok(ours >= 0.96 * theirs, percent(ours / theirs));
    },
  );

  test('a lane is blackholed for 3 s: no gap above 250 ms, nothing lost', limits, async (t) => {
    const { net, pair, bulk } = await World.start(t, congestion, { lanes: 4 });
    await delay(1_500);
    const from = performance.now();
    net.blackhole(pair.lanePorts()[0]!);
    await delay(3_000);
    net.heal();
    await delay(1_000);
    const gap = bulk.longestGap(from, performance.now());
    t.diagnostic(`longest gap ${gap.toFixed(0)} ms`);
    await bulk.stop();
    assert.ok(gap <= 250, `${gap} ms`);
  });

  test('a lane is reset: no gap above 60 ms, nothing lost', limits, async (t) => {
    const { net, pair, bulk } = await World.start(t, congestion, { lanes: 4 });
    const gaps: number[] = [];
    for (let run = 0; run < 3; run += 1) {
      await delay(1_000);
      const from = performance.now();
      net.refuse(pair.lanePorts()[0]!);
      await delay(500);
      net.heal();
      await pair.hasLanes(4);
      gaps.push(bulk.longestGap(from, performance.now()));
    }
    t.diagnostic(`longest gaps ${gaps.map((gap) => gap.toFixed(0)).join(', ')} ms`);
    assert.equal(pair.entry.linesLike(/lane ended/).length, 3, pair.entry.logText);
    await bulk.stop();
    assert.ok(quantile(gaps, 0.5) <= 60, `${gaps} ms`);
  });

  test(
    'a lane is throttled twentyfold in flight: no gap above 400 ms, at least 93 % of what is left',
    limits,
    async (t) => {
      const { net, pair, bulk } = await World.start(t, congestion, { lanes: 4 });
      await delay(1_500);
      const from = performance.now();
      net.reshape(pair.lanePorts()[0]!, RATE / 20);
      await delay(4_000);
      const now = performance.now();
      const gap = bulk.longestGap(from, now);
      const share = bulk.rate(from, now) / (3.05 * RATE);
      t.diagnostic(`longest gap ${gap.toFixed(0)} ms, ${percent(share)} of what is left`);
      await bulk.stop();
      assert.ok(gap <= 400, `${gap} ms`);
      assert.ok(share >= 0.93, percent(share));
    },
  );
}

/** A pair across the kernel's caps, with bulk and messages from the entry to the exit. */
class World {
  readonly net: Namespaces;
  readonly pair: FarPair;
  readonly bulk: Bulk;
  readonly messages: Messages;

  static async start(
    t: TestContext,
    congestion: string,
    options: FarPairOptions,
    caps: 'shaped' | 'policed' = 'shaped',
  ): Promise<World> {
    const net = new Namespaces(congestion);
    t.after(() => net.close());
    if (caps === 'shaped') net.shape(RATE);
    else net.police(RATE, 64 * 1024);
    const pair = await FarPair.start(net, options);
    t.after(() => pair.stop());
    const messages = new Messages(...(await pair.join()), 20);
    t.after(() => messages.stop());
    return new World(net, pair, new Bulk(...(await pair.join())), messages);
  }

  private constructor(net: Namespaces, pair: FarPair, bulk: Bulk, messages: Messages) {
    this.net = net;
    this.pair = pair;
    this.bulk = bulk;
    this.messages = messages;
  }
}

async function rateFor(bulk: Bulk, ms: number): Promise<number> {
  const from = performance.now();
  await delay(ms);
  return bulk.rate(from, performance.now());
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
