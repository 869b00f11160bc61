import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '../e2e/support/numbers.ts';
import { Pair } from '../e2e/support/pair.ts';
import { patternOf } from './support/files.ts';
import { missing } from './support/packages.ts';
import { freePort, must, serve, temporaryFolder } from './support/programs.ts';

const skip = await missing({
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  'redis-benchmark': 'redis-tools',
});

test('Redis', { skip, timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const port = await freePort();
  const where = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder];
  await serve(t, port, 'redis-server', [...where, '--save', '', '--daemonize', 'no']);
  const pair = await Pair.start(t, { to: `127.0.0.1:${port}` });
  const client = ['-h', '127.0.0.1', '-p', `${pair.entry.port}`];

  await t.test('redis-benchmark: 50 clients, one request at a time, then sixteen', async (t) => {
    for (const depth of ['1', '16']) {
      const output = await must('redis-benchmark', [
        ...client,
        ...['-c', '50', '-n', '20000', '-P', depth, '-t', 'set,get,lpush,lrange_100', '--csv'],
      ]);
      const [, ...rows] = output.toString().trim().split('\n');
      const rates = rows.map((row) => row.replaceAll('"', '').split(',').slice(0, 2).join(' '));
      t.diagnostic(`pipelines of ${depth}, requests per second: ${rates.join('; ')}`);
      assert.ok(rows.length >= 5, output.toString());
    }
  });

  await t.test('a value of 64 MiB', async () => {
    const value = patternOf(64 * MiB, 1);
    const reply = await must('redis-cli', [...client, '-x', 'set', 'large'], { input: value });
    assert.equal(reply.toString(), 'OK\n');
    const back = await must('redis-cli', [...client, '--raw', 'get', 'large']);
    assert.ok(back.subarray(0, -1).equals(value));
  });
});
