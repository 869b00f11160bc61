import type { Logger } from '../core/log.ts';
import { type Joined, joinSession, type SessionTicket } from '../io/lane-handshake.ts';
import type { Pipe } from '../io/pipe.ts';
import type { StripedPipe } from '../io/pipe-striped.ts';
import { Trunk } from '../io/trunk.ts';
import type { Timer } from '../loop/clock.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { readU32 } from '../protocol/frame.ts';
import type { Settings } from '../protocol/handshake.ts';
import type { Lane } from '../protocol/lane.ts';
import { createScheduler } from '../protocol/scheduler.ts';
import { randomBytes } from '../sys/crypto.ts';
import type { EntryConfig } from './config.ts';
import { LaneKeeper, type Route } from './lane-keeper.ts';
import { dialCarrier, handshakeOptions, peerOfRoute, sessionName } from './lane-transport.ts';
import { initialWindow, MAX_CHANNELS, type ProxyMemory } from './proxy-memory.ts';
import type { Readiness } from './service.ts';
import { sessionStatus } from './session-status.ts';
import type { SessionStatus } from './status.ts';

/** How long a lane may owe a sign of life before it counts as silent, ms. */
const SILENCE = 500;

/** How to reach the exit: an entry's configuration without its own port. */
export type UplinkConfig = Omit<EntryConfig, 'listen' | 'busyPoll'>;

/** A session as the entry keeps it, from its first lane to its end. */
interface Current {
  readonly trunk: Trunk;
  readonly ticket: SessionTicket;
  readonly peer: string;
  readonly window: number;
  /** How long it may be without lanes, ms: the shorter wish of both ends. */
  readonly resume: number;
}

/**
 * An entry's relation to its exit: one session at a time, its lanes kept up, frozen while there are
 * none, given up after the resume limit, and made anew when the exit has forgotten it.
 */
export class Uplink {
  readonly #config: UplinkConfig;
  readonly #memory: ProxyMemory;
  readonly #logger: Logger;
  readonly #onReady: () => void;
  readonly #keeper: LaneKeeper;
  /** How to tell the keeper that a lane has ended. */
  readonly #laneEnds = new Map<Lane, () => void>();
  readonly #bindings = new WeakMap<Pipe, Uint8Array | null>();
  #current: Current | null = null;
  #freeze: Timer | null = null;
  #nextLane: number;

  /** `onReady` is called whenever a session begins. */
  constructor(config: UplinkConfig, memory: ProxyMemory, logger: Logger, onReady: () => void) {
    this.#config = config;
    this.#memory = memory;
    this.#logger = logger;
    this.#onReady = onReady;
    this.#nextLane = this.#firstLane;
    const uplink = this;
    const { key, plain } = config;
    const affinity = config.share?.affinity ?? readU32(randomBytes(4), 0);
    const transport = { key, plain, pool: memory.pool, affinity };
    this.#keeper = new LaneKeeper(
      routesOf(config),
      {
        async connect(route, signal) {
          const carrier = await dialCarrier(route.exit, route.from, transport, signal);
          uplink.#bindings.set(carrier.pipe, carrier.binding);
          return carrier.pipe;
        },
        join(pipe, lane, ticket, signal) {
          const binding = uplink.#bindings.get(pipe) ?? null;
          const options = handshakeOptions(transport, binding, uplink.#settings(), signal);
          return joinSession(pipe, { ...options, affinity }, lane, ticket);
        },
      },
      {
        get ticket() {
          return uplink.#current?.ticket ?? null;
        },
        takeLaneId: () => this.#nextLane++,
        onSession: (joined, route) => this.#onSession(joined, route),
        onLane: (joined, pipe) => this.#onLane(joined, pipe),
        isSilent: (lane, witness) => lane.silence(witness?.ackedAt ?? nodeClock.now()) > SILENCE,
        drain: (lane) => this.#current?.trunk.drainLane(lane),
        drop: (lane) => this.#current?.trunk.dropLane(lane),
        onSessionUnknown: () => {
          this.#current?.trunk.session.end('LANES_LOST', 'the exit does not know it any more');
        },
      },
      logger,
    );
  }

  start(): void {
    for (let lane = 0; lane < this.#config.lanes; lane += 1) void this.#keeper.add();
  }

  /** A channel to the exit's target; null while there is no session. */
  open(): StripedPipe | null {
    const trunk = this.#current?.trunk;
    return trunk?.session.isOpen ? trunk.open(new Uint8Array(0)) : null;
  }

  get #firstLane(): number {
    return this.#config.share?.firstLane ?? 1;
  }

  get heldBytes(): number {
    return this.#current?.trunk.session.delivery.heldBytes ?? 0;
  }

  status(): SessionStatus[] {
    const current = this.#current;
    if (current === null) return [];
    const { trunk, ticket, peer } = current;
    const label = { id: sessionName(ticket.id), peer, encrypted: !this.#config.plain };
    return [sessionStatus(trunk.session, label)];
  }

  readiness(): Readiness {
    if (this.#current?.trunk.hasLanes) return { ready: true };
    return { ready: false, reason: this.#keeper.trouble ?? 'no lane to the exit is up yet' };
  }

  /** Resolves once one more lane is up. */
  async addLane(): Promise<{ id: number }> {
    const { id } = await this.#keeper.add();
    return { id };
  }

  /** Lets a lane finish what it carries, then ends it. @throws {Error} for an unknown id */
  drainLane(id: number): void {
    const lane = this.#laneById(id);
    this.#keeper.retire(lane);
    this.#current?.trunk.drainLane(lane);
  }

  /** Ends a lane at once. @throws {Error} for an unknown id */
  removeLane(id: number): void {
    const lane = this.#laneById(id);
    this.#keeper.retire(lane);
    this.#current?.trunk.dropLane(lane);
  }

  close(): void {
    this.#keeper.stop();
    this.#current?.trunk.close('SHUTDOWN');
  }

  #settings(): Settings {
    const sessionWindow = this.#current?.window ?? this.#memory.sessionWindow;
    return {
      sessionWindow,
      initialWindow: initialWindow(sessionWindow),
      maxChannels: MAX_CHANNELS,
      resume: this.#config.resume,
    };
  }

  #onSession(joined: Joined, route: Route): void {
    const window = this.#memory.takeSessionWindow();
    const name = sessionName(joined.ticket.id);
    const trunk = new Trunk(
      {
        role: 'entry',
        scheduler: createScheduler(this.#config.scheduler),
        sessionWindow: window,
        initialWindow: initialWindow(window),
        peerSessionWindow: joined.peer.sessionWindow,
        peerInitialWindow: joined.peer.initialWindow,
        maxChannels: MAX_CHANNELS,
        sendBudget: this.#memory.sending,
      },
      nodeClock,
      {
        onOpen: (pipe) => pipe.abort(),
        onLaneEnd: (lane, cause) => this.#onLaneEnd(lane, cause),
        onLaneSilent: (lane) => this.#keeper.replace(lane),
        onGoAway: () => this.#logger.info('the exit takes no more connections', { session: name }),
        onClosed: (reason, detail) => this.#onClosed(trunk, `${reason}: ${detail}`),
        onEmptied: () => this.#memory.giveSessionWindow(window),
      },
    );
    const resume = Math.min(this.#config.resume, joined.peer.resume);
    this.#current = { trunk, ticket: joined.ticket, peer: peerOfRoute(route), window, resume };
    this.#logger.info('session up', { session: name, exit: peerOfRoute(route) });
  }

  #onLane(joined: Joined, pipe: Pipe): { lane: Lane; ended: Promise<void> } | null {
    const current = this.#current;
    if (current === null || current.ticket !== joined.ticket) {
      joined.early?.release();
      return null;
    }
    this.#freeze?.cancel();
    this.#freeze = null;
    const isFirst = !current.trunk.hasLanes;
    const lane = current.trunk.addLane(joined.lane, pipe, joined.early);
    const ended = new Promise<void>((resolve) => this.#laneEnds.set(lane, resolve));
    if (isFirst) this.#onReady();
    return { lane, ended };
  }

  #onLaneEnd(lane: Lane, cause: string): void {
    this.#logger.info('lane ended', { lane: lane.id, cause });
    this.#tellKeeper(lane);
    const current = this.#current;
    if (current === null || current.trunk.hasLanes || current.trunk.session.isClosed) return;
    this.#logger.warn('all lanes are lost; connections are held', { resumeMs: current.resume });
    this.#freeze = nodeClock.at(nodeClock.now() + current.resume, () => {
      current.trunk.session.end('LANES_LOST', `no lane for ${current.resume / 1_000} s`);
    });
  }

  #onClosed(trunk: Trunk, cause: string): void {
    if (this.#current?.trunk !== trunk) return;
    this.#logger.warn('session over', { session: sessionName(this.#current.ticket.id), cause });
    this.#current = null;
    this.#nextLane = this.#firstLane;
    this.#freeze?.cancel();
    this.#freeze = null;
    for (const lane of [...this.#laneEnds.keys()]) this.#tellKeeper(lane);
  }

  #tellKeeper(lane: Lane): void {
    const end = this.#laneEnds.get(lane);
    this.#laneEnds.delete(lane);
    end?.();
  }

  #laneById(id: number): Lane {
    const lanes = this.#current?.trunk.session.lanes ?? [];
    const lane = lanes.find((candidate) => candidate.id === id);
    if (lane !== undefined) return lane;
    const known = lanes.map((candidate) => candidate.id).join(', ') || 'none';
    throw new Error(`no lane ${id}; lanes that are up: ${known}`);
  }
}

/** Every local address with every address of the exit, so that lanes spread over all paths. */
function routesOf(config: UplinkConfig): Route[] {
  const sources = config.from.length > 0 ? config.from : [undefined];
  return sources.flatMap((from) => config.exits.map((exit) => ({ exit, from })));
}
