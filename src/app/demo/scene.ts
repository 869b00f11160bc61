import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../../core/address.ts';
import type { Logger } from '../../core/log.ts';
import { nodeClock } from '../../loop/node-clock.ts';
import { type Emulator, type PathParameters, startEmulator } from '../emulator.ts';
import { startEntry } from '../entry.ts';
import { startExit } from '../exit.ts';
import type { Service } from '../service.ts';
import type { ProxyStatus } from '../status.ts';
import { type FileServer, startFileServer } from './file-server.ts';

export interface SceneOptions {
  readonly lanes: number;
  readonly fileBytes: number;
  /** What every TCP stream gets. */
  readonly path: PathParameters;
}

/**
 * All that the demo runs, on this machine:
 *
 *     plain download -------------------> [ emulator ] ------------> file server
 *     striped download --> entry ==lanes=> [ emulator ] ==> exit --> file server
 */
export interface Scene {
  readonly lanes: number;
  readonly server: FileServer;
  /** Where a plain download connects to. */
  readonly plainPort: number;
  /** Where a striped one does. */
  readonly entryPort: number;
  /** The route that the lanes take. */
  readonly laneRoute: Emulator;
  /** Resolves when all lanes are up; rejects if that takes longer than `ms`. */
  lanesUp(ms: number, signal: AbortSignal): Promise<void>;
  /** Bytes that were sent more than once, both ends together. */
  resentBytes(): number;
  close(): Promise<void>;
}

export async function setScene(options: SceneOptions, logger: Logger): Promise<Scene> {
  const parts: { close(): Promise<void> }[] = [];
  const add = async <Part extends { close(): Promise<void> }>(
    part: Promise<Part>,
  ): Promise<Part> => {
    parts.unshift(await part);
    return part;
  };
  const close = async (): Promise<void> => {
    for (const part of parts) await part.close();
  };
  try {
    const { lanes, path } = options;
    const session = {
      listen: loopback(0),
      key: randomBytes(32),
      plain: false,
      scheduler: 'adaptive',
      memory: 256 * 1024 * 1024,
      busyPoll: 0,
      resume: 60_000,
    } as const;
    const server = await add(startFileServer(options.fileBytes));
    const to = loopback(server.port);
    const plainRoute = await add(startEmulator({ target: to, path }));
    const exit = await add(startExit({ ...session, to, connectTimeout: 10_000 }, logger));
    const laneRoute = await add(startEmulator({ target: loopback(portOf(exit)), path }));
    const exits = [laneRoute.address];
    const entry = await add(startEntry({ ...session, exits, from: [], lanes }, logger));
    const sessionsOf = (service: Service) => (service.status() as ProxyStatus).sessions;
    return {
      lanes,
      server,
      plainPort: plainRoute.address.port,
      entryPort: portOf(entry),
      laneRoute,
      async lanesUp(ms, signal) {
        const up = (): number =>
          sessionsOf(entry).flatMap((one) => one.lanes.filter(({ state }) => state === 'up'))
            .length;
        const deadline = nodeClock.now() + ms;
        while (up() < lanes) {
          if (nodeClock.now() > deadline) {
            throw new Error(`only ${up()} of ${lanes} lanes are up after ${ms / 1000} s`);
          }
          await sleep(20, undefined, { signal });
        }
      },
      resentBytes: () =>
        [entry, exit].flatMap(sessionsOf).reduce((sum, { resentBytes }) => sum + resentBytes, 0),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function loopback(port: number): Address & { kind: 'tcp' } {
  return { kind: 'tcp', host: '127.0.0.1', port };
}

function portOf(service: Service): number {
  return Number(service.listen[0]?.split(':').at(-1));
}
