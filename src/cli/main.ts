#!/usr/bin/env node
import { CommanderError } from 'commander';
import { UsageError } from '../core/usage-error.ts';
import { ExitStatus, endProcess, tolerateClosedOutput } from '../sys/proc.ts';
import { complain, type Io, processIo } from './io.ts';
import { buildProgram } from './program.ts';

tolerateClosedOutput();
void main(process.argv.slice(2), processIo()).then(endProcess);

/** Runs one command line; the answer is the exit status. */
async function main(args: readonly string[], io: Io): Promise<number> {
  let status: number = ExitStatus.done;
  const program = buildProgram(io, (found) => {
    status = found;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    return statusOf(error, io);
  }
}

function statusOf(error: unknown, io: Io): number {
  // Commander has said already what is wrong.
  if (error instanceof CommanderError)
    return error.exitCode === 0 ? ExitStatus.done : ExitStatus.usage;
  complain(io, error instanceof Error ? error.message : String(error));
  return error instanceof UsageError ? ExitStatus.usage : ExitStatus.failure;
}
