import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Messages } from './support/messages.ts';
import { MiB, median, quantile } from './support/numbers.ts';
import { receive, send } from './support/traffic.ts';
import { World } from './support/world.ts';

const LANES = 8;
/** 8 Mbit/s, in bytes per second, counted like the emulator: what a lane's TCP connection carries. */
const CAP = 1_000_000;
const RTT = 40; // ms
const SIZE = 64 * MiB;
const RUNS = 5;
/** Connections with messages: enough for a run to have a 99th percentile. */
const TALKS = 5;

type Direction = 'up' | 'down';

const link = { rate: CAP, delay: RTT / 2 };
const path = { up: link, down: link };

for (const direction of ['up', 'down'] as const) {
  test(`bulk ${direction} over 8 lanes of 8 Mbit/s with 40 ms RTT, and messages beside it: at least 95 % of the caps, one-way p99 at most 60 ms (medians of ${RUNS} runs), overhead below 0.5 %`, {
    timeout: 90_000,
  }, async (t) => {
    const world = await World.start(t, { lanes: LANES, path });
    const talks: Messages[] = [];
    t.after(() => {
      for (const talk of talks) talk.stop();
    });
    while (talks.length < TALKS) {
      talks.push(new Messages(...(await join(world, direction))));
      await delay(100 / TALKS); // so that their messages are spread over time
    }

    const shares: number[] = [];
    const tails: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const firsts = talks.map((talk) => talk.times.length);
      const seconds = await transfer(world, direction, run);
      shares.push(SIZE / (seconds * LANES * CAP));
      const times = talks.flatMap((talk, at) => talk.times.slice(firsts[at]));
      tails.push(quantile(times, 0.99));
    }
    const times = talks.flatMap((talk) => talk.times);
    for (const talk of talks) talk.stop();
    const share = median(shares);
    const tail = median(tails);
    const { protocol, wire } = await overhead(world, direction);
    t.diagnostic(
      `${percent(share)} of the caps (${shares.map(percent).join(', ')}); messages p50 ${median(times).toFixed(1)} ms, p99 ${tail.toFixed(1)} ms (${tails.map((ms) => ms.toFixed(1)).join(', ')}); overhead ${percent(protocol)}, with TLS ${percent(wire)}`,
    );
    assert.ok(share >= 0.95, `${percent(share)} of the sum of the caps`);
    assert.ok(share < 1.01, `the caps do not hold: ${percent(share)}`);
    assert.ok(tail <= RTT / 2 + 40, `p99 ${tail} ms`);
    assert.ok(median(times) >= RTT / 2 - 3, 'the delay does not hold');
    assert.ok(protocol < 0.005, `overhead ${percent(protocol)}`);
  });
}

for (const direction of ['up', 'down'] as const) {
  test(`a lane is killed during a transfer ${direction}: nothing lost, longest gap below 300 ms (median of 5 kills)`, {
    timeout: 60_000,
  }, async (t) => {
    const world = await World.start(t, { lanes: LANES, path });
    const gaps: number[] = [];
    for (let run = 0; run < 5; run += 1) {
      gaps.push(await gapOfKill(world, direction, run));
      await world.pair.hasLanes(LANES);
    }
    const gap = median(gaps);
    t.diagnostic(
      `longest gap ${gap.toFixed(0)} ms (${gaps.map((ms) => ms.toFixed(0)).join(', ')})`,
    );
    assert.ok(gap < 300, `${gap} ms`);
  });
}

/** The end of a new connection that sends in `direction`, and the other one. */
async function join(world: World, direction: Direction): Promise<[from: Socket, to: Socket]> {
  const [near, far] = await world.join();
  return direction === 'up' ? [near, far] : [far, near];
}

/** Carries `SIZE` bytes over a new connection. @returns seconds from its opening to the last byte */
async function transfer(world: World, direction: Direction, seed: number): Promise<number> {
  const start = performance.now();
  const [from, to] = await join(world, direction);
  const receiving = receive(to.end());
  const sent = await send(from, SIZE, seed);
  from.end();
  const received = await receiving;
  assert.equal(received.digest, sent);
  return (received.lastAt - start) / 1000;
}

/** The longest gap between arrivals at the reader when the busiest lane dies half-way, ms. */
async function gapOfKill(world: World, direction: Direction, seed: number): Promise<number> {
  const size = 16 * MiB;
  const [from, to] = await join(world, direction);
  let bytes = 0;
  let isKilled = false;
  const receiving = receive(to.end(), (piece) => {
    bytes += piece.length;
    if (isKilled || bytes < size / 2) return;
    isKilled = true;
    world.pair.emulator.connection('busiest').kill();
  });
  const sent = await send(from, size, seed);
  from.end();
  const { digest, longestGap } = await receiving;
  assert.ok(isKilled);
  assert.equal(digest, sent);
  return longestGap;
}

/** What was sent besides the applications' bytes, both ways, as a share of those bytes. */
async function overhead(
  world: World,
  direction: Direction,
): Promise<{ protocol: number; wire: number }> {
  const session = await world.pair.session(direction === 'up' ? 'entry' : 'exit');
  const { sentBytes, sentPayloadBytes, receivedBytes, receivedPayloadBytes } = session;
  const extra = sentBytes - sentPayloadBytes + receivedBytes - receivedPayloadBytes;
  const onTheWire = world.pair.emulator.connections.reduce(
    (sum, { upBytes, downBytes }) => sum + upBytes + downBytes,
    0,
  );
  return {
    protocol: extra / sentPayloadBytes,
    wire: (onTheWire - sentPayloadBytes - receivedPayloadBytes) / sentPayloadBytes,
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
