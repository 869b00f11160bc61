import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pair } from '../e2e/support/pair.ts';
import { missing } from './support/packages.ts';
import { freePort, must, serve } from './support/programs.ts';

const SECONDS = 3;
const skip = await missing({ iperf3: 'iperf3' });

interface Sum {
  readonly bytes: number;
  readonly bits_per_second: number;
}

interface Report {
  readonly error?: string;
  readonly end: {
    readonly sum_received: Sum;
    readonly sum_received_bidir_reverse?: Sum;
  };
}

test('iperf3', { skip, timeout: 60_000 }, async (t) => {
  for (const flags of [['-P', '8'], ['-R'], ['-P', '8', '-R'], ['--bidir']]) {
    await t.test(flags.join(' '), async (t) => {
      // One server for each run: it may still be busy with the last when the client is done.
      const port = await freePort();
      const server = ['-s', '-B', '127.0.0.1', '-p', `${port}`, '--forceflush'];
      await serve(t, port, 'iperf3', server, { greeting: 'Server listening' });
      const pair = await Pair.start(t, { to: `127.0.0.1:${port}` });
      const output = await must('iperf3', [
        ...['-c', '127.0.0.1', '-p', `${pair.entry.port}`, '-t', `${SECONDS}`, '--json'],
        ...flags,
      ]);
      const { error, end } = JSON.parse(output.toString()) as Report;
      assert.equal(error, undefined);
      const sums = [end.sum_received, end.sum_received_bidir_reverse].filter((sum) => sum);
      assert.equal(sums.length, flags.includes('--bidir') ? 2 : 1);
      for (const sum of sums) assert.ok(sum!.bytes > 10_000_000, output.toString());
      const rates = sums.map((sum) => `${(sum!.bits_per_second / 1e9).toFixed(2)} Gbit/s`);
      t.diagnostic(rates.join(' and '));
      await pair.isIdle();
    });
  }
});
