import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { Soak } from './soak.ts';

const TIME = 60_000; // ms
const isLinux = process.platform === 'linux';

test('a minute of random faults: no byte wrong, nobody stuck, memory flat, nothing left', {
  timeout: 3 * TIME,
  skip: isLinux ? false : 'it reads the memory of processes from /proc',
}, async (t) => {
  const { failures, facts } = await Soak.run({
    time: TIME,
    seed: 1,
    kills: false,
    onLine: () => {},
  });
  for (const [name, value] of facts) t.diagnostic(`${name}: ${value}`);
  assert.deepEqual(failures, []);
});
