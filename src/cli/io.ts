import type { Writable } from 'node:stream';
import { type ProcessEvents, processEvents } from '../sys/proc.ts';

/** What a command sees of the process it runs in. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Results: stdout. */
  readonly out: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  /** The log, and what went wrong: stderr. */
  readonly err: Writable & { readonly isTTY?: boolean };
  readonly events: ProcessEvents;
}

export function processIo(): Io {
  return { env: process.env, out: process.stdout, err: process.stderr, events: processEvents };
}

export function print(io: Io, line: string): void {
  io.out.write(`${line}\n`);
}

/** One line about a failure, or a hint beside a result. */
export function complain(io: Io, line: string): void {
  io.err.write(`tcp-striper: ${line.replaceAll(/\s*\n\s*/g, ' ')}\n`);
}
