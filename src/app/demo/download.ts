import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { nodeClock } from '../../loop/node-clock.ts';
import type { Meter } from './meter.ts';

/**
 * Fetches a file by HTTP over a connection of its own, and notes its progress.
 * @returns the SHA-256 of what has come, in hex.
 * @throws if the transfer fails, is cut short or the signal aborts.
 */
export async function download(
  port: number,
  meter: Meter,
  signal: AbortSignal,
  onProgress: () => void = () => {},
): Promise<string> {
  meter.start(nodeClock.now());
  const request = get({ host: '127.0.0.1', port, agent: false, signal });
  const [response]: IncomingMessage[] = await once(request, 'response');
  const hash = createHash('sha256');
  for await (const piece of response!) {
    hash.update(piece);
    meter.add(piece.length, nodeClock.now());
    onProgress();
  }
  meter.end(nodeClock.now());
  if (meter.bytes !== meter.total) {
    throw new Error(`${meter.label}: ${meter.bytes} bytes came instead of ${meter.total}`);
  }
  return hash.digest('hex');
}
