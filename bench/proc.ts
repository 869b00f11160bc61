import { readdirSync, readFileSync } from 'node:fs';

/** What /proc tells of processes and sockets: Linux only. A process that is gone has used nothing. */

/** The process and all that came of it and still run. */
export function family(pid: number): number[] {
  return [pid, ...children(pid).flatMap(family)];
}

/** Seconds of a processor. */
export interface CpuTime {
  readonly user: number;
  readonly kernel: number;
}

/** CPU time of the process, all its threads, and children that ended; in steps of 10 ms. */
export function cpuTime(pid: number): CpuTime {
  const stat = read(`/proc/${pid}/stat`);
  // The name may hold anything, brackets and spaces too; what follows is fields 3 and on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user = 0, kernel = 0, childrenUser = 0, childrenKernel = 0] = fields
    .slice(11, 15)
    .map((field) => Number(field) / TICKS_PER_SECOND);
  return { user: user + childrenUser, kernel: kernel + childrenKernel };
}

/** Resident bytes now. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

/** The most that were ever resident, bytes. */
export function peakResidentBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM');
}

export function isListening(port: number): boolean {
  return countSockets(port, LISTEN) > 0;
}

/** Connections that were accepted at the port and are up. */
export function establishedAt(port: number): number {
  return countSockets(port, ESTABLISHED);
}

function children(pid: number): number[] {
  return list(`/proc/${pid}/task`).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`)
      .split(' ')
      .filter((id) => id !== '')
      .map(Number),
  );
}

function statusBytes(pid: number, field: string): number {
  const line = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(read(`/proc/${pid}/status`));
  return Number(line?.[1] ?? 0) * 1024;
}

function countSockets(port: number, state: string): number {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['tcp', 'tcp6']
    .flatMap((table) => read(`/proc/net/${table}`).split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(wanted) && fields[3] === state).length;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** USER_HZ, the same on all of Linux's usual platforms. */
const TICKS_PER_SECOND = 100;
const ESTABLISHED = '01';
const LISTEN = '0A';
