import type { SchedulerName } from '../../src/protocol/scheduler.ts';
import type { RouteParameters } from './lane-pair.ts';

/** All that a world is made of: data, so that it can be printed and replayed. Bytes and ms. */
export interface WorldPlan {
  /** Of the world's own draws: losses, splits, the order of events after a pause. */
  readonly seed: number;
  readonly scheduler: SchedulerName;
  /** The routes that a lane is kept up on. */
  readonly routes: readonly RouteParameters[];
  /** How long the entry waits before it dials a lost lane again; null: it never does. */
  readonly redialAfter: number | null;
  readonly channels: readonly ChannelPlan[];
  readonly faults: readonly Fault[];
  readonly sessionWindow: number;
  readonly initialWindow: number;
  /** What each end may hold for sending. */
  readonly sendBudget: number;
  readonly maxChannels: number;
  /** Chunks lie in poisoned slabs. */
  readonly usesSlabs: boolean;
  /** All must be done by then. */
  readonly limit: number;
}

export interface ChannelPlan {
  readonly opensAt: number;
  readonly entry: AppPlan;
  readonly exit: AppPlan;
  /** How long the target takes to answer, and whether it refuses. */
  readonly answersAfter: number;
  readonly isRefused?: boolean;
}

/** An application at one end of a channel. */
export interface AppPlan {
  readonly writes: WritePlan;
  readonly reads: ReadPlan;
  /** RST, this long after its start. */
  readonly resetAfter?: number;
}

export type WritePlan =
  /** As fast as it goes, in chunks, up to a number of bytes or a time. Then FIN. */
  | {
      readonly kind: 'bulk';
      readonly bytes: number;
      readonly chunk: number;
      readonly until?: number;
    }
  /** A message at each interval. Then FIN. */
  | {
      readonly kind: 'messages';
      readonly size: number;
      readonly every: number;
      readonly count: number;
    }
  /** So many bytes for each so many received. FIN after the peer's. */
  | { readonly kind: 'replies'; readonly request: number; readonly reply: number }
  /** Nothing; FIN at once, or after the peer's. */
  | { readonly kind: 'nothing'; readonly ends: 'first' | 'last' };

export type ReadPlan =
  | { readonly kind: 'eager' }
  /** Bytes per ms. */
  | { readonly kind: 'slow'; readonly rate: number }
  /** Reads for a while, then does not. */
  | { readonly kind: 'naps'; readonly awake: number; readonly nap: number }
  /** Reads nothing until so long after its start. */
  | { readonly kind: 'deaf'; readonly until: number };

/** Something that goes wrong, at a time. */
export type Fault = BreakFault | StallFault | ThrottleFault | OutageFault | StopFault | DrainFault;

/** The lane breaks. */
export interface BreakFault {
  readonly kind: 'break';
  readonly at: number;
  readonly route: number;
  /** Who sees it at once, and after how many ms the other end does; null: never. */
  readonly seenBy: 'both' | 'entry' | 'exit';
  readonly otherAfter: number | null;
}

/** The route takes bytes and delivers none. */
export interface StallFault {
  readonly kind: 'stall';
  readonly at: number;
  readonly lasts: number;
  readonly route: number;
  readonly direction: 'both' | 'up' | 'down';
}

/** The route has only a share of its rate. */
export interface ThrottleFault {
  readonly kind: 'throttle';
  readonly at: number;
  readonly lasts: number;
  readonly route: number;
  readonly factor: number;
}

/** Every lane breaks and none can be dialled; if silent, nobody is told. */
export interface OutageFault {
  readonly kind: 'outage';
  readonly at: number;
  readonly lasts: number;
  readonly isSilent: boolean;
}

/** A process does nothing. */
export interface StopFault {
  readonly kind: 'stop';
  readonly at: number;
  readonly lasts: number;
  readonly end: 'entry' | 'exit';
}

/** An end lets go of a lane in good order; a new one is dialled in its place. */
export interface DrainFault {
  readonly kind: 'drain';
  readonly at: number;
  readonly route: number;
  readonly end: 'entry' | 'exit';
}
