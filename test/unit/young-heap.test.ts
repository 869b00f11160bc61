import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turn } from '../../src/loop/turn.ts';
import { tuneV8 } from '../../src/sys/engine.ts';
import { widenYoungHeap, youngHeapBytes } from '../../src/sys/young-heap.ts';

const MiB = 1024 * 1024;

test('the space for new objects gets wide by many turns, and not by few', async () => {
  tuneV8();
  await turns(4_000);
  assert.ok(youngHeapBytes() <= 4 * MiB, `${youngHeapBytes()} bytes`);
  // The second look finds that the turns since the first took no longer than a moment.
  await turns(8_200);
  assert.ok(youngHeapBytes() >= 8 * MiB, `${youngHeapBytes()} bytes`);
});

test('it gets no wider than that, however much survives', () => {
  const kept: number[][] = [];
  for (let time = 0; time < 10; time += 1) {
    while (kept.length < time * 200) kept.push(new Array<number>(4_096).fill(time));
    widenYoungHeap();
    const bytes = youngHeapBytes();
    assert.ok(bytes >= 8 * MiB && bytes <= 16 * MiB, `${bytes} bytes`);
  }
});

async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    turn.mark();
    await new Promise(setImmediate);
  }
}
