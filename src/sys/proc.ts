import { constants } from 'node:os';
import { isatty } from 'node:tty';

/** What the exit status of a command says. */
export const ExitStatus = {
  /** Done; a proxy: stopped on request, and every connection had ended by itself. */
  done: 0,
  /** Something failed while running. */
  failure: 1,
  /** The command line, the configuration or the key cannot be used. A restart would not help. */
  usage: 2,
  /** The address to listen on cannot be had. */
  bind: 3,
  /** Nobody answers, or whoever answers does not accept us. */
  peer: 4,
  /** A proxy stopped on request, but cut connections that were still open after `--drain`. */
  drainExpired: 5,
} as const;

/** The convention of shells: 130 for SIGINT, 143 for SIGTERM. */
export function statusOfSignal(signal: StopSignal): number {
  return 128 + constants.signals[signal];
}

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGQUIT' | 'SIGHUP';

/** What happens to the process as a whole. Tests bring their own. */
export interface ProcessEvents {
  /** Calls back for every request to stop, until the returned function is called. */
  onStop(handler: (signal: StopSignal) => void): () => void;
  /** Calls back for errors that nobody caught, until the returned function is called. */
  onUncaught(handler: (error: unknown) => void): () => void;
}

/**
 * SIGHUP is a request to stop only for a process that was started on a terminal, which is then gone.
 * A daemon may get it from anywhere, and ignores it.
 */
export const processEvents: ProcessEvents = {
  onStop(handler) {
    const onHangUp = startedOnTerminal() ? handler : () => {};
    const stops: StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGQUIT'];
    for (const signal of stops) process.on(signal, handler);
    process.on('SIGHUP', onHangUp);
    return () => {
      for (const signal of stops) process.off(signal, handler);
      process.off('SIGHUP', onHangUp);
    };
  },
  onUncaught(handler) {
    process.on('uncaughtException', handler);
    return () => process.off('uncaughtException', handler);
  },
};

/** A reader of our output may go at any time (`| head`); that is no reason to fail. */
export function tolerateClosedOutput(): void {
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
}

/**
 * Ends the process with `status` as soon as nothing is left to do. Whatever a mistake has left open
 * does not keep it: after `grace` ms it ends all the same.
 */
export function endProcess(status: number, grace = 2000): void {
  process.exitCode = status;
  setTimeout(() => process.exit(status), grace).unref();
}

function startedOnTerminal(): boolean {
  return [0, 1, 2].some(isatty);
}
