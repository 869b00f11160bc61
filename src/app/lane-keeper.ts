import { setTimeout as delay } from 'node:timers/promises';
import type { Address } from '../core/address.ts';
import { formatAddress } from '../core/address.ts';
import type { Logger } from '../core/log.ts';
import type { Joined } from '../io/lane-handshake.ts';
import { LaneRefused, type SessionTicket } from '../io/lane-handshake.ts';
import type { Pipe } from '../io/pipe.ts';
import { nodeClock } from '../loop/node-clock.ts';
import type { Lane } from '../protocol/lane.ts';
import { Backoff } from './backoff.ts';

/** How long a lane that is silent may go on being so once its understudy is up, ms. */
const AUDITION = 1_000;

/** One end-to-end route: a local address (or any) and an address of the exit. */
export interface Route {
  readonly exit: Address;
  readonly from: string | undefined;
}

/** How the keeper reaches exits and hands over what it gets. */
export interface LaneSource {
  /** Dials, and encrypts where that is wanted. */
  connect(route: Route, signal: AbortSignal): Promise<Pipe>;
  /** Makes a session, or joins it. */
  join(
    pipe: Pipe,
    lane: number,
    ticket: SessionTicket | null,
    signal: AbortSignal,
  ): Promise<Joined>;
}

export interface RaisedLane {
  readonly lane: Lane;
  /** Resolves when it is gone. */
  readonly ended: Promise<void>;
}

export interface LaneSink {
  /** The session to join, or null to make one. */
  readonly ticket: SessionTicket | null;
  takeLaneId(): number;
  /** A session was made; its first lane follows in `onLane`. */
  onSession(joined: Joined, route: Route): void;
  /** The lane is up; null if it came too late. */
  onLane(joined: Joined, pipe: Pipe): RaisedLane | null;
  /** True while the lane owes a sign of life: by now, or at the last sign of life of another lane. */
  isSilent(lane: Lane, witness?: Lane): boolean;
  /** Ends a lane once what it carries is acknowledged. */
  drain(lane: Lane): void;
  /** Ends a lane at once. */
  drop(lane: Lane): void;
  /** The exit knows the session no more. */
  onSessionUnknown(): void;
}

/**
 * Keeps lanes up: each slot dials, joins, waits for the end of its lane, and dials again, on its
 * own. The first slot that gets through makes the session; the others join it.
 *
 * A lane that falls silent gets an understudy, because the kernel asks a route that has come back
 * only after seconds, where a new connection asks at once. Whichever speaks in the end stays.
 */
export class LaneKeeper {
  readonly #routes: readonly Route[];
  readonly #source: LaneSource;
  readonly #sink: LaneSink;
  readonly #logger: Logger;
  readonly #slots = new Set<Slot>();
  #nextRoute = 0;
  /** Resolves when the slot that makes the session has made it, or has failed. */
  #making: Promise<void> | null = null;

  constructor(routes: readonly Route[], source: LaneSource, sink: LaneSink, logger: Logger) {
    this.#routes = routes;
    this.#source = source;
    this.#sink = sink;
    this.#logger = logger;
  }

  /** Slots that want a lane; each has one, or dials. */
  get wanted(): number {
    return this.#slots.size;
  }

  /** The last failure of any slot that has no lane, for readiness. */
  get trouble(): string | null {
    for (const slot of this.#slots)
      if (slot.lane === null && slot.trouble !== null) return slot.trouble;
    return null;
  }

  /** One more lane, from now on. @returns once it is up */
  async add(): Promise<Lane> {
    const route = this.#routes[this.#nextRoute % this.#routes.length]!;
    this.#nextRoute += 1;
    const slot = new Slot(route);
    this.#slots.add(slot);
    void this.#run(slot);
    return slot.up;
  }

  /** One lane fewer: its slot dials no more. @returns false if no slot has that lane */
  retire(lane: Lane): boolean {
    for (const slot of this.#slots) {
      if (slot.lane !== lane) continue;
      this.#slots.delete(slot);
      slot.stop.abort();
      return true;
    }
    return false;
  }

  /** The lane is silent. May be called again and again. */
  replace(lane: Lane): void {
    for (const slot of this.#slots) {
      if (slot.lane === lane) slot.understudy ??= this.#understudy(slot, lane);
    }
  }

  /** Dials no more. */
  stop(): void {
    for (const slot of this.#slots) slot.stop.abort();
    this.#slots.clear();
  }

  async #run(slot: Slot): Promise<void> {
    while (!slot.stop.signal.aborted) {
      const up = (await slot.understudy) ?? (await this.#persist(slot, () => true));
      slot.understudy = null;
      if (up === null) continue;
      slot.setUp(up.lane);
      slot.backoff.onSuccess(nodeClock.now());
      await up.ended;
      slot.lane = null;
      slot.backoff.onEnd(nodeClock.now());
    }
  }

  /** @returns the lane that is to follow the silent one; null if that one speaks again */
  async #understudy(slot: Slot, lane: Lane): Promise<RaisedLane | null> {
    const isWanted = (): boolean => slot.lane !== lane || this.#sink.isSilent(lane);
    const up = await this.#persist(slot, isWanted);
    const isChosen = up !== null && (await this.#audition(slot, lane, up));
    if (isChosen && slot.lane === lane) this.#sink.drop(lane);
    if (!isChosen && up !== null) this.#sink.drain(up.lane);
    if (isChosen) return up;
    // The lane speaks again; or the understudy did no better, or has ended by itself.
    if (!isWanted()) slot.backoff.onSuccess(nodeClock.now());
    else if (up !== null) slot.backoff.onFailure(nodeClock.now());
    slot.understudy = null;
    return null;
  }

  /** Gives a silent lane and its understudy the same chance to speak. @returns true if the latter lasts */
  async #audition(slot: Slot, lane: Lane, up: RaisedLane): Promise<boolean> {
    if (slot.lane !== lane) return true;
    const time = new AbortController();
    const abort = (): void => time.abort();
    slot.stop.signal.addEventListener('abort', abort);
    if (slot.stop.signal.aborted) abort();
    void up.ended.then(abort);
    await delay(AUDITION, undefined, { signal: time.signal }).catch(() => {});
    slot.stop.signal.removeEventListener('abort', abort);
    // A peer that was paused, and may be again, has kept both waiting.
    const isWanted = slot.lane !== lane || this.#sink.isSilent(lane, up.lane);
    return isWanted && !time.signal.aborted;
  }

  /** Tries until a lane is up; null if the slot is stopped or no lane is wanted any more. */
  async #persist(slot: Slot, isWanted: () => boolean): Promise<RaisedLane | null> {
    const { signal } = slot.stop;
    for (;;) {
      const pause = slot.backoff.pause(Math.random(), nodeClock.now());
      if (pause > 0) await delay(pause, undefined, { signal }).catch(() => {});
      if (signal.aborted || !isWanted()) return null;
      try {
        const up = await this.#raise(slot, isWanted);
        if (up !== null) return up;
      } catch (error) {
        if (signal.aborted) return null;
        this.#note(slot, error);
      }
      if (isWanted()) slot.backoff.onFailure(nodeClock.now());
    }
  }

  /** Brings up one lane; null if it is not wanted any more. */
  async #raise(slot: Slot, isWanted: () => boolean): Promise<RaisedLane | null> {
    const pipe = await this.#source.connect(slot.route, slot.stop.signal);
    if (!isWanted()) {
      pipe.abort();
      return null;
    }
    const joined = await this.#join(pipe, slot);
    if (slot.stop.signal.aborted) joined.early?.release();
    const up = slot.stop.signal.aborted ? null : this.#sink.onLane(joined, pipe);
    if (up === null) {
      pipe.abort();
      return null;
    }
    this.#logger.info('lane up', { lane: up.lane.id, exit: formatAddress(slot.route.exit) });
    return up;
  }

  async #join(pipe: Pipe, slot: Slot): Promise<Joined> {
    while (this.#sink.ticket === null && this.#making !== null) await this.#making;
    const { ticket } = this.#sink;
    if (ticket === null) return this.#make(pipe, slot);
    try {
      return await this.#source.join(pipe, this.#sink.takeLaneId(), ticket, slot.stop.signal);
    } catch (error) {
      if (error instanceof LaneRefused && error.isSessionUnknown && this.#sink.ticket === ticket) {
        this.#sink.onSessionUnknown();
      }
      throw error;
    }
  }

  async #make(pipe: Pipe, slot: Slot): Promise<Joined> {
    const { promise, resolve } = openPromise();
    this.#making = promise;
    try {
      const { signal } = slot.stop;
      const joined = await this.#source.join(pipe, this.#sink.takeLaneId(), null, signal);
      if (!signal.aborted) this.#sink.onSession(joined, slot.route);
      return joined;
    } finally {
      this.#making = null;
      resolve();
    }
  }

  /** The same trouble is told once, not per try. */
  #note(slot: Slot, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (slot.trouble === text) return;
    const isNews = this.trouble !== text;
    slot.trouble = text;
    if (isNews)
      this.#logger.warn('lane down', { exit: formatAddress(slot.route.exit), cause: text });
  }
}

/** A place for one lane, over its redials. */
class Slot {
  readonly route: Route;
  readonly stop = new AbortController();
  readonly backoff = new Backoff();
  readonly up: Promise<Lane>;
  lane: Lane | null = null;
  /** What is to follow a lane that is silent, while that is being found out. */
  understudy: Promise<RaisedLane | null> | null = null;
  trouble: string | null = null;
  readonly #resolveUp: (lane: Lane) => void;

  constructor(route: Route) {
    this.route = route;
    const { promise, resolve } = openPromise<Lane>();
    this.up = promise;
    this.#resolveUp = resolve;
  }

  setUp(lane: Lane): void {
    this.lane = lane;
    this.trouble = null;
    this.#resolveUp(lane);
  }
}

function openPromise<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
