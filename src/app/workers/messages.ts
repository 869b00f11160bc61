import type { LogFormat, LogLevel } from '../../sys/log.ts';
import type { EntryConfig, ExitConfig } from '../config.ts';
import type { Readiness } from '../service.ts';
import type { ProxyStatus } from '../status.ts';

/** What a proxy is, with or without workers. */
export type ProxyPlan =
  | { readonly role: 'entry'; readonly config: EntryConfig }
  | { readonly role: 'exit'; readonly config: ExitConfig };

/** What a worker has to know. */
export interface WorkerPlan {
  /** From 1 on. */
  readonly number: number;
  readonly proxy:
    | { readonly role: 'entry'; readonly config: Omit<EntryConfig, 'key'> }
    | { readonly role: 'exit'; readonly config: Omit<ExitConfig, 'key'> };
  /** In base64. */
  readonly key: string;
  readonly log: { readonly logLevel: LogLevel; readonly logFormat: LogFormat };
}

/**
 * From the primary to a worker, as JSON, in this order: one start, then any of the others. Bytes are
 * in base64.
 */
export type Order =
  | { readonly kind: 'start'; readonly plan: WorkerPlan }
  /** Its socket travels with it; `head` was read from that already. */
  | { readonly kind: 'connection'; readonly id: number; readonly head: string }
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly question: Question;
      readonly lane: number;
    }
  | { readonly kind: 'close' };

/** What a worker can be asked, and what it answers. Some questions are about a lane. */
export interface Answers {
  readonly status: ProxyStatus;
  readonly readiness: Readiness;
  /** Comes when the last connection has ended. */
  readonly drain: null;
  readonly addLane: { readonly id: number };
  readonly drainLane: null;
  readonly removeLane: null;
}
export type Question = keyof Answers;

/** From a worker to the primary. */
export type Report =
  | { readonly kind: 'ready' }
  /** The worker has its own hold of this connection, and of all before it. */
  | { readonly kind: 'taken'; readonly id: number }
  | { readonly kind: 'answer'; readonly id: number; readonly value: Answers[Question] }
  | { readonly kind: 'failure'; readonly id: number; readonly message: string };
