// Run by cost.test.ts in a process of its own, with `--expose-gc`: prints what connections that have come and
// gone leave behind among what V8's collector takes for old, where only a full collection finds it. As JSON.
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import { Connections } from '../../src/app/connections.ts';
import { Chunk } from '../../src/core/chunk.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import { deaf, TrunkPair } from './cost-world.ts';

export interface ChurnCost {
  /** Bytes for each connection, both ends together. */
  readonly old: number;
  /** Full collections while counting: the figure holds only without any. */
  readonly fullCollections: number;
  /** Quick ones: the figure says something only with many. */
  readonly collections: number;
}

const AT_ONCE = 16;
const CONNECTIONS = 20_000;

/** More than any run takes, ms of virtual time. */
const LIMIT = 1_000_000;

const connections = new Connections(0);
const world = new TrunkPair(2, (pipe) => {
  pipe.accept();
  const [far, target] = memoryPipePair({ capacity: 1024, clock: world.time });
  connections.join(pipe, far);
  target.attach({ ...deaf, onFin: () => target.sendFin() });
  target.resume();
});

run(CONNECTIONS / 4); // until it is compiled
globalThis.gc?.();
globalThis.gc?.();
await turn();
await turn();
const counts = { full: 0, quick: 0 };
const observer = new PerformanceObserver((list) => {
  for (const { detail } of list.getEntries()) {
    // Stated cast: untyped for all kinds of entries but this one.
    if ((detail as { kind: number }).kind === constants.NODE_PERFORMANCE_GC_MINOR)
      counts.quick += 1;
    else counts.full += 1;
  }
});
observer.observe({ entryTypes: ['gc'] });
const before = oldBytes();
run(CONNECTIONS);
const old = (oldBytes() - before) / CONNECTIONS;
await turn();
await turn();
const cost: ChurnCost = { old, fullCollections: counts.full, collections: counts.quick };
process.stdout.write(`${JSON.stringify(cost)}\n`);

/** So many connections, some at once, each with a byte there and FIN both ways. */
function run(count: number): void {
  let left = count;
  let open = 0;
  const begin = (): void => {
    left -= 1;
    open += 1;
    const [near, application] = memoryPipePair({ capacity: 1024, clock: world.time });
    connections.join(near, world.open());
    application.attach({
      ...deaf,
      onFin() {
        open -= 1;
        if (left > 0) begin();
      },
    });
    application.resume();
    application.send(new Chunk(new Uint8Array(1)));
    application.sendFin();
  };
  for (let at = 0; at < AT_ONCE; at += 1) begin();
  world.run(() => open === 0, LIMIT);
  if (open > 0) throw new Error(`${open} connections never ended`);
}

function oldBytes(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name }) => space_name === 'old_space');
  return spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
}
