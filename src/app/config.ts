import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import type { Address } from '../core/address.ts';
import { parseListenAddress, parseTargetAddress } from '../core/address.ts';
import { formatDuration, formatSize } from '../core/units.ts';
import { UsageError } from '../core/usage-error.ts';

export const schedulerNames = ['adaptive', 'round-robin', 'until-congested'] as const;
export type SchedulerName = (typeof schedulerNames)[number];

/** What both ends of a session are told. Times are ms, `memory` is bytes. */
interface SessionConfig {
  readonly listen: Address;
  /** The shared secret, 32 bytes. Both ends prove that they hold it, with or without encryption. */
  readonly key: Uint8Array;
  /** Lanes without encryption. */
  readonly plain: boolean;
  readonly scheduler: SchedulerName;
  /** The bound of all windows, buffers and bytes held for re-sending. */
  readonly memory: number;
  /** How long a session outlives the loss of all its lanes. */
  readonly resume: number;
  /** How long the process stays awake for the next message, while that pays; 0 never. See `BusyPoll`. */
  readonly busyPoll: number;
}

export interface EntryConfig extends SessionConfig {
  /** Addresses of one exit; lanes are spread over them. Never empty. */
  readonly exits: readonly Address[];
  /** Local IP addresses that lanes are spread over; empty lets the system choose. */
  readonly from: readonly string[];
  readonly lanes: number;
  /** Set in each of several processes that make up one entry. */
  readonly share?: EntryShare;
}

/** What tells the processes of one entry apart; each has a session of its own. */
export interface EntryShare {
  /** u32: neighbours get neighbours, so that they spread evenly over the processes of an exit. */
  readonly affinity: number;
  /** The number of the first lane of each session. */
  readonly firstLane: number;
}

export interface ExitConfig extends SessionConfig {
  readonly to: Address;
  readonly connectTimeout: number;
}

export interface RelayConfig {
  readonly listen: Address;
  readonly to: Address;
  readonly connectTimeout: number;
  readonly memory: number;
  /** As for a session. */
  readonly busyPoll: number;
}

/** What is taken when the user says nothing, in the words that a user would write. */
export const defaults = {
  entryListen: '127.0.0.1:55555',
  exitListen: '0.0.0.0:7000',
  relayListen: '0.0.0.0:55555',
  relayTo: '127.0.0.1:22',
  lanes: '8',
  workers: '1',
  scheduler: 'adaptive',
  memory: '256MiB',
  resume: '60s',
  connectTimeout: '10s',
  busyPoll: '0',
  /** Only one of two proxies polls, or on two cores they would be in each other's way. */
  entryBusyPoll: '300us',
  drain: '30s',
  admin: '127.0.0.1:9478',
} as const;

export const limits = {
  lanes: 64,
  workers: 64,
  /** Bytes; with less, a single fast lane would starve. */
  leastMemory: 16 * 1024 * 1024,
  /** ms; who waits for longer had better sleep. */
  busyPoll: 10,
} as const;

/** The entry serves programs of its own machine, so a bare port is on loopback. */
export function parseEntryListen(text: string): Address {
  return parseListenAddress(text, '127.0.0.1');
}

/** Exit and relay serve other machines, so a bare port is on every interface. */
export function parseOpenListen(text: string): Address {
  return parseListenAddress(text, null);
}

export function parseExits(text: string): Address[] {
  return items(text).map(parseTargetAddress);
}

export function parseFrom(text: string): string[] {
  return items(text).map((item) => {
    if (isIP(item) === 0) throw new UsageError(`'${item}' is no IP address of this machine`);
    return item;
  });
}

export function parseLanes(text: string): number {
  const lanes = /^\d+$/.test(text) ? Number(text) : 0;
  if (lanes < 1 || lanes > limits.lanes) {
    throw new UsageError(`'${text}' is no number from 1 to ${limits.lanes}`);
  }
  return lanes;
}

export function parseWorkers(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const workers = /^\d+$/.test(text) ? Number(text) : 0;
  if (workers < 1 || workers > limits.workers) {
    throw new UsageError(`'${text}' is no number from 1 to ${limits.workers} and not 'auto'`);
  }
  return workers;
}

/**
 * How many workers share `memory` bytes; `auto` is one for each core, as far as memory goes.
 * @throws {UsageError}
 */
export function workerCount(wanted: number | 'auto', memory: number): number {
  const most = Math.floor(memory / limits.leastMemory);
  if (wanted === 'auto') return Math.min(availableParallelism(), most, limits.workers);
  if (wanted > most) {
    const needed = formatSize(wanted * limits.leastMemory);
    throw new UsageError(`--workers ${wanted} needs --memory ${needed} at least`);
  }
  return wanted;
}

export function checkWait(ms: number): number {
  if (ms === 0) throw new UsageError('nothing happens in no time; it takes at least 1ms');
  return ms;
}

export function checkBusyPoll(ms: number): number {
  if (ms > limits.busyPoll) throw new UsageError(`the most is ${formatDuration(limits.busyPoll)}`);
  return ms;
}

export function checkMemory(bytes: number): number {
  if (bytes < limits.leastMemory) {
    throw new UsageError(`it takes at least ${formatSize(limits.leastMemory)}`);
  }
  return bytes;
}

function items(text: string): string[] {
  return text.split(',').map((item) => item.trim());
}
