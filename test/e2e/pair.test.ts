import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MiB, median } from './support/numbers.ts';
import { Pair } from './support/pair.ts';
import { Target } from './support/target.ts';
import { closed, digestOf, ending, receive, send, surestEnding } from './support/traffic.ts';
import { until, within } from './support/wait.ts';
import { World } from './support/world.ts';

const SIZE = 64 * MiB;

for (const plain of [false, true]) {
  test(`a connection over 8 ${plain ? 'plain' : 'TLS'} lanes`, { timeout: 60_000 }, async (t) => {
    const world = await World.start(t, { plain });
    const { pair } = world;
    const join = () => world.join();

    await t.test('64 MiB up', async () => {
      const [near, far] = await join();
      const received = receive(far.end());
      const sent = await send(near, SIZE, 1);
      near.end();
      const { bytes, digest } = await received;
      assert.equal(bytes, SIZE);
      assert.equal(digest, sent);
    });

    await t.test('64 MiB down', async () => {
      const [near, far] = await join();
      const received = receive(near.end());
      const sent = await send(far, SIZE, 2);
      far.end();
      const { bytes, digest } = await received;
      assert.equal(bytes, SIZE);
      assert.equal(digest, sent);
    });

    await t.test('64 MiB both ways at once', async () => {
      const [near, far] = await join();
      const up = receive(far);
      const down = receive(near);
      await Promise.all([
        send(near, SIZE, 3).then(() => near.end()),
        send(far, SIZE, 4).then(() => far.end()),
      ]);
      assert.equal((await up).digest, digestOf(SIZE, 3));
      assert.equal((await down).digest, digestOf(SIZE, 4));
      await Promise.all([closed(near), closed(far)]);
    });

    await t.test('a FIN from the near side leaves the other direction open', async () => {
      const [near, far] = await join();
      near.end('question');
      assert.equal(await textOf(far), 'question');
      const answer = textOf(near);
      await send(far, MiB, 5);
      far.end();
      assert.equal((await answer).length, MiB);
      await Promise.all([closed(near), closed(far)]);
    });

    await t.test('a FIN from the far side leaves the other direction open', async () => {
      const [near, far] = await join();
      far.end('greeting');
      assert.equal(await textOf(near), 'greeting');
      const answer = textOf(far);
      await send(near, MiB, 6);
      near.end();
      assert.equal((await answer).length, MiB);
      await Promise.all([closed(near), closed(far)]);
    });

    await t.test('an RST from either side is an RST at the other', async () => {
      for (const side of ['near', 'far'] as const) {
        const [near, far] = await join();
        const [from, to] = side === 'near' ? [near, far] : [far, near];
        const end = ending(to.resume());
        from.write('some bytes');
        await once(to, 'data');
        from.resetAndDestroy();
        assert.equal(await within(2_000, end, 'the RST'), 'ECONNRESET', side);
      }
    });

    await t.test('an RST after both sides have half-closed in turn is an RST', async () => {
      for (const side of ['near', 'far'] as const) {
        const [near, far] = await join();
        const [from, to] = side === 'near' ? [near, far] : [far, near];
        to.end();
        assert.equal(await textOf(from), '');
        const end = ending(to.resume());
        from.write('cut short');
        await once(to, 'data');
        from.resetAndDestroy();
        assert.equal(await within(2_000, end, 'the RST'), 'ECONNRESET', side);
      }
    });

    await t.test('a transfer that its sender resets never looks complete', async () => {
      for (const side of ['near', 'far'] as const) {
        for (const size of [100, 100_000, 5 * MiB]) {
          const [near, far] = await join();
          const [from, to] = side === 'near' ? [near, far] : [far, near];
          // The reader begins after the reset: what it then finds unread must not end cleanly.
          from.write(Buffer.alloc(size));
          await until(
            () => to.bytesRead > 0,
            2_000,
            () => 'the first bytes',
          );
          from.resetAndDestroy();
          await closed(from);
          const end = within(2_000, surestEnding(to), 'the RST');
          assert.equal(await end, 'reset', `${side}, ${size}`);
        }
      }
    });

    await t.test('nothing is left afterwards', async () => {
      await pair.isIdle();
      for (const side of ['entry', 'exit'] as const) {
        const session = await pair.session(side);
        assert.equal(session.reorderBytes, 0);
        const { memory } = await pair[side].status();
        assert.equal(memory.sendBytes, 0);
        assert.equal(memory.receiveBytes, 0);
        assert.ok(pair[side].linesLike(/^(warn|error)/).length === 0, pair[side].logText);
      }
    });
  });
}

test('from a unix socket to a unix socket', { timeout: 20_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'striper-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'target');
  const target = await Target.start((socket) => socket.pipe(socket), { path });
  t.after(() => target.close());
  const pair = await Pair.start(t, {
    to: `unix:${path}`,
    lanes: 2,
    entryListen: `unix:${join(folder, 'entry')}`,
  });
  const socket = await pair.connect();
  const received = receive(socket);
  const sent = await send(socket, MiB, 7);
  socket.end();
  assert.equal((await received).digest, sent);
});

test('a new connection on a 100 ms path has its first reply within 1 RTT + 15 ms (median of 9)', {
  timeout: 30_000,
}, async (t) => {
  const target = await Target.start((socket) => socket.pipe(socket));
  t.after(() => target.close());
  const delay = { delay: 50 };
  const pair = await Pair.start(t, { to: target.address, path: { up: delay, down: delay } });
  const times: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    const start = performance.now();
    const socket = pair.dial();
    socket.write('hello');
    await once(socket, 'data');
    times.push(performance.now() - start);
    socket.destroy();
  }
  const middle = median(times);
  t.diagnostic(`first byte of the reply after ${middle.toFixed(1)} ms`);
  assert.ok(middle >= 100, `the path is shorter than it should be: ${middle}`);
  assert.ok(middle <= 115, `${middle} ms`);
});

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    text += (piece as Buffer).toString('latin1');
  }
  return text;
}
