import type { Chunk } from '../core/chunk.ts';
import type { ReasonName } from '../core/errors.ts';
import type { Clock, Timer } from '../loop/clock.ts';
import type { Channel } from '../protocol/channel.ts';
import type { Lane } from '../protocol/lane.ts';
import { Session, type SessionOptions } from '../protocol/session.ts';
import { LanePipe } from './lane-pipe.ts';
import type { BrokenPipe, Pipe } from './pipe.ts';
import { StripedPipe } from './pipe-striped.ts';

export interface TrunkHandler {
  /** The peer opens a channel towards `target` (UTF-8; empty: this end's own). */
  onOpen(pipe: StripedPipe, target: Uint8Array): void;
  /** A lane is gone; `cause` for the log. `wanted`: by a decision of this end or the peer. */
  onLaneEnd(lane: Lane, cause: string): void;
  /** See `LanesHandler`. */
  onLaneSilent?(lane: Lane): void;
  onGoAway(): void;
  /** The session is over. Channels that are complete may still have readers. */
  onClosed(reason: ReasonName, detail: string): void;
  /** The session, over before, holds nothing any more. Called once. */
  onEmptied?(): void;
}

/** Bytes that make a frame by themselves, so that it need not wait for others. */
const FRAME_WORTH = 128 * 1024;
/** How long a lane that was let go may take to end, ms. */
const LINGER = 1_000;

/**
 * The pump: joins one session to its lanes' pipes and to the clock.
 *
 *     lane pipes -- chunks --> session -- deliver --> striped pipes
 *     lane pipes <-- frames -- session <-- verbs ---- striped pipes
 *                                 ^ one timer
 *
 * The first verb or chunk of a turn is acted on at once, so that a lone message loses no time, and so
 * is each large write; the rest of the turn is acted on together at its end, so that a busy turn writes
 * once per lane. Where the turn before had more than one, the first is not alone either and waits, too:
 * each write is a system call here, and wakes the peer.
 */
export class Trunk {
  readonly session: Session;
  readonly #clock: Clock;
  readonly #handler: TrunkHandler;
  readonly #pipes = new Map<Lane, LanePipe>();
  #timer: Timer | null = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #isTurnArmed = false;
  #isDirty = false;
  /** Kicks of this turn, and whether the last turn had several. */
  #kicks = 0;
  #isCrowded = false;
  #isEmptied = false;
  /** Lanes that have been let go and have not ended yet. */
  readonly #lingering = new Set<LanePipe>();
  #lingerTimer: Timer | null = null;

  constructor(options: SessionOptions, clock: Clock, handler: TrunkHandler) {
    this.#clock = clock;
    this.#handler = handler;
    this.session = new Session(options, {
      onOpen: (channel, target) => handler.onOpen(this.#newPipe(channel), target),
      onLaneDone: (lane, reason) => this.#onLaneDone(lane, reason),
      onLaneSilent: (lane) => handler.onLaneSilent?.(lane),
      onGoAway: () => handler.onGoAway(),
      onRoom: () => this.#nextTurn(),
      onClosed: (reason, detail) => this.#onClosed(reason, detail),
    });
  }

  get hasLanes(): boolean {
    return this.#pipes.size > 0;
  }

  /** Takes over a pipe that has joined the session as lane `id`; `early` arrived behind the handshake. */
  addLane(id: number, pipe: Pipe, early: Chunk | null): Lane {
    const port = new LanePipe(pipe, {
      onLaneChunk: (chunk) => {
        this.session.handleChunk(lane, chunk, this.#clock.now());
        this.kick();
      },
      onLaneDrain: () => this.kick(),
      onLaneEnd: (cause) => this.#onLaneLost(lane, port, cause),
    });
    const lane = this.session.addLane(id, port, this.#clock.now());
    this.#pipes.set(lane, port);
    if (early !== null) this.session.handleChunk(lane, early, this.#clock.now());
    port.start();
    this.kick();
    return lane;
  }

  /** Opens a channel towards the exit's target (or another, UTF-8). */
  open(target: Uint8Array): StripedPipe {
    const pipe = new StripedPipe(this);
    pipe.bind(this.session.open(target, pipe));
    this.kick();
    return pipe;
  }

  /** Lets go of a lane in good order. */
  drainLane(lane: Lane): void {
    this.session.drainLane(lane);
    this.kick();
  }

  /** Drops a lane at once; what it carried travels again on the others. */
  dropLane(lane: Lane): void {
    this.#onLaneDone(lane, 'LANE_LOST');
  }

  goAway(): void {
    this.session.goAway();
    this.kick();
  }

  /** Ends the session and tells the peer; see `Session.end`. */
  close(reason: ReasonName): void {
    this.session.close(reason, this.#clock.now());
  }

  now(): number {
    return this.#clock.now();
  }

  /**
   * Something may have to leave: see to it now, or at the end of this turn if this turn already did or
   * is one of a crowd. `bytes`: how much was written. From a frame's worth on there is nothing to be
   * gathered, and a writer that had to wait for the turn's end would stop and start its reader each time.
   */
  kick(bytes = 0, now?: number): void {
    this.#kicks += 1;
    if ((this.#isTurnArmed || this.#isCrowded) && bytes < FRAME_WORTH) {
      this.#nextTurn();
      return;
    }
    this.session.transmit(now ?? this.#clock.now());
    this.#armTurn();
  }

  /** What has to leave leaves in a turn's end, this one's or the next. */
  #nextTurn(): void {
    this.#isDirty = true;
    this.#armTurn();
  }

  #armTurn(): void {
    if (this.#isTurnArmed) return;
    this.#isTurnArmed = true;
    this.#clock.soon(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#isTurnArmed = false;
    this.#isCrowded = this.#kicks > 1;
    this.#kicks = 0;
    const now = this.#clock.now();
    if (this.#isDirty) {
      this.#isDirty = false;
      this.session.transmit(now);
    }
    if (this.session.hasDeliverable) {
      this.session.deliver(now);
      // What the applications did in return leaves now, too.
      this.#isDirty = false;
      this.session.transmit(now);
      if (this.session.hasDeliverable || this.#isDirty) this.#armTurn();
    }
    this.#armTimer(now);
    if (this.session.isEmptied) this.#onEmptied();
  };

  #armTimer(now: number): void {
    const deadline = this.session.nextDeadline(now);
    // A timer that fires too early only looks again.
    if (this.#timerAt <= deadline) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerAt = deadline;
    if (Number.isFinite(deadline)) this.#timer = this.#clock.at(deadline, this.#onTimer);
  }

  readonly #onTimer = (): void => {
    this.#timer = null;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    this.session.handleTimeout(now);
    this.session.transmit(now);
    if (this.session.hasDeliverable) this.kick();
    this.#armTimer(now);
  };

  #newPipe(channel: Channel): StripedPipe {
    const pipe = new StripedPipe(this);
    channel.handler = pipe;
    pipe.bind(channel);
    return pipe;
  }

  #onLaneDone(lane: Lane, reason: ReasonName): void {
    const pipe = this.#pipes.get(lane);
    if (pipe === undefined) return;
    this.#pipes.delete(lane);
    this.session.removeLane(lane, this.#clock.now());
    if (reason === 'LANE_REMOVED') this.#letGo(pipe);
    else pipe.abort();
    this.#handler.onLaneEnd(lane, reason);
    this.kick();
  }

  #onLaneLost(lane: Lane, pipe: LanePipe, cause: BrokenPipe | null): void {
    this.#forgetLingering(pipe);
    if (!this.#pipes.delete(lane)) return;
    this.session.removeLane(lane, this.#clock.now());
    if (!this.session.isClosed)
      this.#handler.onLaneEnd(lane, cause?.message ?? 'the peer closed it');
    this.kick();
  }

  #onClosed(reason: ReasonName, detail: string): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const pipe of this.#pipes.values()) this.#letGo(pipe);
    this.#pipes.clear();
    this.#handler.onClosed(reason, detail);
    this.#armTurn();
  }

  #onEmptied(): void {
    if (this.#isEmptied) return;
    this.#isEmptied = true;
    this.#handler.onEmptied?.();
  }

  /** Ends a lane in good order. A peer that does not end its side in return is not waited for. */
  #letGo(pipe: LanePipe): void {
    pipe.finish();
    this.#lingering.add(pipe);
    this.#lingerTimer ??= this.#clock.at(this.#clock.now() + LINGER, () => {
      this.#lingerTimer = null;
      for (const late of this.#lingering) late.abort();
      this.#lingering.clear();
    });
  }

  #forgetLingering(pipe: LanePipe): void {
    if (!this.#lingering.delete(pipe) || this.#lingering.size > 0) return;
    this.#lingerTimer?.cancel();
    this.#lingerTimer = null;
  }
}
