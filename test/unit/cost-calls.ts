// Run by cost.test.ts in a process of its own, because V8 optimizes nothing while it counts: prints how many
// functions of ours are called for a frame and for a message, as JSON.
import { type Profiler, Session } from 'node:inspector';
import { CostWorld, MiB } from './cost-world.ts';

export interface CallCost {
  /** Calls for each frame of bulk, both ends together. */
  readonly bulkFrame: number;
  /** Calls for each message of 100 bytes, both ends together. */
  readonly message: number;
}

const MESSAGE = 100;
const MESSAGES = 1_000;

const world = new CostWorld(8);
world.carryBulk(256 * MiB);
world.carryMessages(MESSAGES, MESSAGE);

const inspector = new Session();
inspector.connect();
inspector.post('Profiler.enable');
inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });

const before = world.sent.chunks;
const bulk = callsOf(() => world.carryBulk(256 * MiB));
const frames = world.sent.chunks - before;
const messages = callsOf(() => world.carryMessages(MESSAGES, MESSAGE));
const cost: CallCost = { bulkFrame: bulk / frames, message: messages / MESSAGES };
process.stdout.write(`${JSON.stringify(cost)}\n`);

/** Calls of functions in this project's own `src`, but for the virtual clock's, while `action` runs. */
function callsOf(action: () => void): number {
  takeCounts();
  action();
  return takeCounts();
}

/** What was called since it was last asked. */
function takeCounts(): number {
  let calls = 0;
  inspector.post('Profiler.takePreciseCoverage', (error, { result }) => {
    if (error !== null) throw error;
    const own = result.filter(({ url }) => /\/dist\/src\/(?!loop\/virtual-clock)/.test(url));
    for (const script of own) calls += callsIn(script);
  });
  return calls;
}

function callsIn({ functions }: Profiler.ScriptCoverage): number {
  return functions.reduce((sum, { ranges }) => sum + (ranges[0]?.count ?? 0), 0);
}
