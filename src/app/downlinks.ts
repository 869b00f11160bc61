import type { Socket } from 'node:net';
import type { Logger } from '../core/log.ts';
import { IdSet } from '../data/id-set.ts';
import { answerHello, type Joined } from '../io/lane-handshake.ts';
import type { Pipe } from '../io/pipe.ts';
import { Trunk } from '../io/trunk.ts';
import type { Timer } from '../loop/clock.ts';
import { nodeClock } from '../loop/node-clock.ts';
import {
  type Hello,
  HelloKind,
  ReplyStatus,
  SESSION_ID_BYTES,
  type Settings,
} from '../protocol/handshake.ts';
import type { Lane } from '../protocol/lane.ts';
import { createScheduler } from '../protocol/scheduler.ts';
import { randomBytes } from '../sys/crypto.ts';
import type { ExitConfig } from './config.ts';
import { acceptCarrier, handshakeOptions, sessionName } from './lane-transport.ts';
import { initialWindow, MAX_CHANNELS, type ProxyMemory } from './proxy-memory.ts';
import { Refusals } from './refusals.ts';
import { sessionStatus } from './session-status.ts';
import type { SessionStatus } from './status.ts';
import type { Targets } from './targets.ts';

const MAX_SESSIONS = 256;
/** Lanes of one session: twice what an entry may ask for, since lost ones may not have been missed yet. */
const MAX_LANES = 128;
/** Lane ids that an entry may have lost to joins that failed, over the life of a session. */
const MAX_LANE_GAPS = 65_536;

/** A session as the exit keeps it. */
interface Downlink {
  readonly name: string;
  readonly key: Uint8Array;
  readonly peer: string;
  readonly trunk: Trunk;
  readonly resume: number;
  /** Lane ids that were used, and all before the first: each is good for one join. */
  readonly usedLanes: IdSet;
  orphan: Timer | null;
}

/** An exit's sessions: made and joined by lanes, frozen without lanes, freed after the resume limit. */
export class Downlinks {
  readonly #config: ExitConfig;
  readonly #memory: ProxyMemory;
  readonly #targets: Targets;
  readonly #logger: Logger;
  readonly #refusals: Refusals;
  readonly #sessions = new Map<string, Downlink>();
  /** Handshakes that are going on. */
  readonly #guests = new Set<AbortController>();
  #isGoingAway = false;
  #isClosed = false;

  constructor(config: ExitConfig, memory: ProxyMemory, targets: Targets, logger: Logger) {
    this.#config = config;
    this.#memory = memory;
    this.#targets = targets;
    this.#logger = logger;
    this.#refusals = new Refusals(logger);
  }

  get hasLanes(): boolean {
    return [...this.#sessions.values()].some((downlink) => downlink.trunk.hasLanes);
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const { trunk } of this.#sessions.values()) bytes += trunk.session.delivery.heldBytes;
    return bytes;
  }

  status(): SessionStatus[] {
    return Array.from(this.#sessions.values(), ({ name, peer, trunk }) =>
      sessionStatus(trunk.session, { id: name, peer, encrypted: !this.#config.plain }),
    );
  }

  /**
   * Shakes hands with whoever has connected; what fails is logged and its socket is gone. `head` are
   * bytes that were read from it already.
   */
  async welcome(socket: Socket, peer: string, head: Uint8Array = nothing): Promise<void> {
    const { key, plain } = this.#config;
    const transport = { key, plain, pool: this.#memory.pool };
    const guest = new AbortController();
    const { signal } = guest;
    this.#guests.add(guest);
    let window = 0;
    try {
      const { pipe, binding } = await acceptCarrier(socket, head, transport, signal);
      const options = {
        ...handshakeOptions(transport, binding, this.#settings(0), signal),
        head: plain ? head : nothing,
      };
      const joined = await answerHello(pipe, options, {
        sessionKey: (id) => this.#sessions.get(hex(id))?.key ?? null,
        decide: (hello) => {
          const status = this.#decide(hello);
          if (status !== ReplyStatus.OK || hello.kind !== HelloKind.NEW) return { status };
          window = this.#memory.takeSessionWindow();
          return {
            status,
            session: randomBytes(SESSION_ID_BYTES),
            settings: this.#settings(window),
          };
        },
      });
      this.#take(joined, joined.hello, pipe, peer, window);
    } catch (error) {
      this.#memory.giveSessionWindow(window);
      if (!signal.aborted) this.#refusals.note(error, peer);
    } finally {
      this.#guests.delete(guest);
    }
  }

  goAway(): void {
    this.#isGoingAway = true;
    for (const { trunk } of this.#sessions.values()) trunk.goAway();
  }

  close(): void {
    this.#isGoingAway = true;
    this.#isClosed = true;
    for (const guest of this.#guests) guest.abort();
    for (const { trunk } of [...this.#sessions.values()]) trunk.close('SHUTDOWN');
  }

  #settings(sessionWindow: number): Settings {
    return {
      sessionWindow,
      initialWindow: initialWindow(sessionWindow),
      maxChannels: MAX_CHANNELS,
      resume: this.#config.resume,
    };
  }

  #decide(hello: Hello): ReplyStatus {
    if (hello.lane === 0) return ReplyStatus.BAD_HELLO;
    if (hello.kind === HelloKind.NEW) {
      if (this.#isGoingAway) return ReplyStatus.GOING_AWAY;
      const isFull = this.#sessions.size >= MAX_SESSIONS || !this.#memory.hasRoom;
      return isFull ? ReplyStatus.BUSY : ReplyStatus.OK;
    }
    const downlink = this.#sessions.get(hex(hello.session));
    if (downlink === undefined) return ReplyStatus.UNKNOWN_SESSION;
    const { usedLanes } = downlink;
    const gaps = usedLanes.gaps + usedLanes.gapsBefore(hello.lane);
    if (usedLanes.has(hello.lane) || gaps > MAX_LANE_GAPS) return ReplyStatus.BAD_HELLO;
    return downlink.trunk.session.lanes.length >= MAX_LANES ? ReplyStatus.BUSY : ReplyStatus.OK;
  }

  #take(joined: Joined, hello: Hello, pipe: Pipe, peer: string, window: number): void {
    const id = hex(joined.ticket.id);
    const isNew = hello.kind === HelloKind.NEW && !this.#isClosed;
    const downlink = isNew ? this.#newSession(joined, id, peer, window) : this.#sessions.get(id);
    if (downlink === undefined || downlink.usedLanes.has(joined.lane)) {
      joined.early?.release();
      pipe.abort();
      return;
    }
    downlink.usedLanes.add(joined.lane);
    downlink.orphan?.cancel();
    downlink.orphan = null;
    downlink.trunk.addLane(joined.lane, pipe, joined.early);
    this.#logger.info('lane up', { session: downlink.name, lane: joined.lane, peer });
  }

  #newSession(joined: Joined, id: string, peer: string, window: number): Downlink {
    const name = sessionName(joined.ticket.id);
    const trunk = new Trunk(
      {
        role: 'exit',
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
        onOpen: (channel, target) => this.#targets.connect(channel, target),
        onLaneEnd: (lane, cause) => this.#onLaneEnd(downlink, lane, cause),
        onGoAway: () => {},
        onClosed: (reason, detail) => {
          downlink.orphan?.cancel();
          this.#sessions.delete(id);
          this.#logger.info('session over', { session: name, cause: `${reason}: ${detail}` });
        },
        onEmptied: () => this.#memory.giveSessionWindow(window),
      },
    );
    const resume = Math.min(this.#config.resume, joined.peer.resume);
    const { key } = joined.ticket;
    const usedLanes = new IdSet(joined.lane);
    const downlink: Downlink = { name, key, peer, trunk, resume, usedLanes, orphan: null };
    this.#sessions.set(id, downlink);
    this.#logger.info('session up', { session: name, peer });
    return downlink;
  }

  #onLaneEnd(downlink: Downlink, lane: Lane, cause: string): void {
    const { name, trunk, resume } = downlink;
    this.#logger.info('lane ended', { session: name, lane: lane.id, cause });
    if (trunk.hasLanes || trunk.session.isClosed) return;
    this.#logger.warn('all lanes are lost; connections are held', {
      session: name,
      resumeMs: resume,
    });
    downlink.orphan = nodeClock.at(nodeClock.now() + resume, () => {
      trunk.session.end('LANES_LOST', `no lane for ${resume / 1_000} s`);
    });
  }
}

const nothing = new Uint8Array(0);

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
