import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { turn } from '../loop/turn.ts';
import { widenYoungHeap } from './young-heap.ts';

/** In a busy process, many turns (`turn.onMany`) take less than this, ms. */
const BUSY = 4_000;

/**
 * Suits V8 to a proxy; a V8 that doesn't know a flag ignores it. To be called when all modules are loaded: Node
 * ships its own with their code compiled, which V8 takes only while its flags are as they were then.
 *
 * The space for new objects begins with about 1 MiB a half, and would grow to 16. It stays small in a process
 * with little to do, and gets somewhat wider in a busy one (docs/adr/0019). So little is collected sooner
 * than helpers are woken up for it, and they would take the processors that other programs wait for.
 *
 * Code is compiled after a sixteenth of the usual calls. A frame of 1 MiB is so long that the functions on
 * its way run some thousand times per second, and would be interpreted or half compiled for many seconds.
 */
export function tuneV8(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--no-parallel-scavenge');
  const isV8Of20 = process.versions.node.startsWith('20.');
  setFlagsFromString(isV8Of20 ? '--interrupt-budget=4000' : '--invocation-count-for-turbofan=180');
  let lookedAt = Number.NEGATIVE_INFINITY;
  turn.onMany = () => {
    const now = performance.now();
    if (now - lookedAt < BUSY) widenYoungHeap();
    lookedAt = now;
  };
}
