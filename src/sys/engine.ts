import { setFlagsFromString } from 'node:v8';

/**
 * Suits V8 to a proxy. Called first of all; a V8 that doesn't know a flag ignores it.
 *
 * The space for new objects stays at the size with which it begins, about 1 MiB a half, where it would
 * grow to 16: what lives for one frame then stays in the processor's cache, and a thousand connections
 * don't leave their garbage behind in memory. So little is collected sooner than helpers are woken up for
 * it, and they would take the processors that other programs wait for.
 *
 * Code is compiled after a sixteenth of the usual calls. A frame of 1 MiB is so long that the functions on
 * its way run some thousand times per second, and would be interpreted or half compiled for many seconds.
 */
export function tuneV8(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--no-parallel-scavenge');
  const isV8Of20 = process.versions.node.startsWith('20.');
  setFlagsFromString(isV8Of20 ? '--interrupt-budget=4000' : '--invocation-count-for-turbofan=180');
}
