import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MiB, median } from './support/numbers.ts';
import { receive, send } from './support/traffic.ts';
import { within } from './support/wait.ts';
import { World } from './support/world.ts';

const LANES = 4;
const CAP = 1_000_000; // bytes per second and lane
const link = { rate: CAP, delay: 20 };
const path = { up: link, down: link };
const limits = { timeout: 60_000 };

test(
  'a reader stops for 10 s: another connection has the lanes to itself (median of 3 transfers), memory stays in bounds, nothing is lost',
  limits,
  async (t) => {
    const world = await World.start(t, { path, lanes: LANES });
    const { pair } = world;
    const [stopped, source] = await world.join();
    const size = 24 * MiB;
    const sending = send(source, size, 1).finally(() => source.end());
    const rest = receive(stopped);
    await once(stopped, 'data');
    stopped.pause();
    const stoppedAt = performance.now();
    // By then it has filled what there is on its way.
    await pair.isQuiet('exit');

    const shares: number[] = [];
    for (let run = 0; run < 3; run += 1) shares.push(await shareOfTransfer(world, run));
    const share = median(shares);
    const held: number[] = [];
    for (const side of ['entry', 'exit'] as const) {
      const { memory } = await pair[side].status();
      held.push(memory.usedBytes);
      assert.ok(memory.usedBytes <= memory.budgetBytes);
    }
    t.diagnostic(
      `the other connection had ${(100 * share).toFixed(1)} % of the caps; held meanwhile: ${held.map((one) => (one / MiB).toFixed(1)).join(' and ')} MiB`,
    );
    assert.ok(share > 0.9, `${share}`);

    await delay(10_000 - (performance.now() - stoppedAt));
    stopped.resume();
    assert.equal((await rest).digest, await sending);
  },
);

test(
  'forty readers stop: a new connection works as ever, and nothing is lost',
  limits,
  async (t) => {
    const args = ['--memory', '40MiB'];
    const folder = mkdtempSync(join(tmpdir(), 'striper-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const world = await World.start(t, {
      lanes: LANES,
      entryArgs: args,
      exitArgs: args,
      // The kernel holds little in front of a unix socket, so what is not read waits in the entry.
      entryListen: `unix:${join(folder, 'entry')}`,
    });
    const ends: [Socket, Socket][] = [];
    while (ends.length < 40) ends.push(await world.join());
    const transfers = ends.map(([reader, source], n) => {
      let bytes = 0;
      const received = receive(reader, (piece) => {
        bytes += piece.length;
        if (bytes >= 2 * MiB && bytes - piece.length < 2 * MiB) reader.pause();
      });
      return { reader, received, sent: send(source, 4 * MiB, n).finally(() => source.end()) };
    });
    await world.pair.isQuiet('exit');
    assert.equal(await within(1_000, world.echo(), 'an echo beside them'), 'hello');
    for (const side of ['entry', 'exit'] as const) {
      const { memory } = await world.pair[side].status();
      assert.ok(memory.usedBytes <= memory.budgetBytes);
    }
    for (const { reader } of transfers) reader.resume();
    for (const { received, sent } of transfers) assert.equal((await received).digest, await sent);
  },
);

/** Carries 2 s worth of bytes down over a new connection. @returns its rate as a share of the sum of caps */
async function shareOfTransfer(world: World, seed: number): Promise<number> {
  const bytes = 2 * LANES * CAP;
  const start = performance.now();
  const [reader, source] = await world.join();
  const receiving = receive(reader.end());
  const sent = await send(source, bytes, seed);
  source.end();
  const { digest, lastAt } = await receiving;
  assert.equal(digest, sent);
  return bytes / ((lastAt - start) / 1000) / (LANES * CAP);
}
