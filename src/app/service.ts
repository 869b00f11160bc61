import type { Status } from './status.ts';

/** A running entry, exit or relay, as the command line and the admin server see it. */
export interface Service {
  /** The bound addresses, as `HOST:PORT`, `[V6]:PORT` or `unix:/path`. */
  readonly listen: readonly string[];
  status(): Status;
  /** Ready when new connections would work now; otherwise the reason, for a human. */
  readiness(): Readiness;
  /** Stops accepting; resolves when the last connection has ended by itself. */
  drain(): Promise<void>;
  /** Ends everything now: connections get RST, sockets and timers are gone when it resolves. */
  close(): Promise<void>;
}

export type Readiness = { ready: true } | { ready: false; reason: string };
