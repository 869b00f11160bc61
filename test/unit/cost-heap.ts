// Run by cost.test.ts in a process of its own, whose young generation is so large that nothing is
// collected while it counts: prints the heap bytes that one frame costs, as JSON.
import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { CostWorld, MiB } from './cost-world.ts';

export interface HeapCost {
  /** Bytes of objects, for each frame of the largest size, both ends together. */
  readonly bulkFrame: number;
  /** Bytes of buffers for each of these frames. */
  readonly bulkBuffers: number;
  /** Bytes of objects for each message of 100 bytes. */
  readonly message: number;
  /** Collections while counting: the figures hold only without any. */
  readonly collections: number;
}

const MESSAGE = 100;
const MESSAGES = 4_000;

const world = new CostWorld(1);
world.carryBulk(2048 * MiB);
world.carryMessages(MESSAGES, MESSAGE);

let collections = 0;
const observer = new PerformanceObserver((list) => {
  collections += list.getEntries().length;
});
observer.observe({ entryTypes: ['gc'] });

const bulk = await measure(() => world.carryBulk(1024 * MiB));
const message = await measure(() => world.carryMessages(MESSAGES, MESSAGE));
const cost: HeapCost = {
  bulkFrame: bulk.heap / bulk.frames,
  bulkBuffers: bulk.buffers / bulk.frames,
  message: message.heap / MESSAGES,
  collections: bulk.collections + message.collections,
};
process.stdout.write(`${JSON.stringify(cost)}\n`);

interface Growth {
  readonly heap: number;
  readonly buffers: number;
  readonly frames: number;
  readonly collections: number;
}

async function measure(action: () => void): Promise<Growth> {
  globalThis.gc?.();
  await turn();
  await turn();
  const earlier = collections;
  const frames = world.sent.chunks;
  const before = process.memoryUsage();
  action();
  const after = process.memoryUsage();
  await turn();
  await turn();
  return {
    heap: after.heapUsed - before.heapUsed,
    buffers: after.arrayBuffers - before.arrayBuffers,
    frames: world.sent.chunks - frames,
    collections: collections - earlier,
  };
}
