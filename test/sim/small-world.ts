import assert from 'node:assert/strict';
import { Chunk } from '../../src/core/chunk.ts';
import type { ReasonName } from '../../src/core/errors.ts';
import { Budget } from '../../src/data/budget.ts';
import type { Channel } from '../../src/protocol/channel.ts';
import type { Scheduler } from '../../src/protocol/scheduler.ts';
import { Session } from '../../src/protocol/session.ts';
import { Arrivals } from './arrivals.ts';
import { SmallApp, type SmallTransfer } from './small-app.ts';
import { ROLES, type Role, SmallLane } from './small-lane.ts';

/** One of so many things may happen next: which? */
export type Choose = (options: number) => number;

/** Something that can happen now; the name is for the history of a failure. */
export interface Action {
  readonly name: string;
  run(): void;
}

/** How much may happen in a small world. Bytes are chunks: each chunk is one byte. */
export interface SmallPlan {
  readonly deaths: number;
  /** One end may hear of a death before the other does. */
  readonly isGradual: boolean;
  readonly resumes: number;
  /** By channel. */
  readonly transfers: readonly SmallTransfer[];
}

/**
 * Two sessions and nothing that is not a choice: which lane a frame takes, which lane delivers next,
 * when an application writes or reads, when a lane dies, how much of what it carried still arrives,
 * who hears of it first, and when a new one comes.
 *
 * Time passes only when nothing else can happen, up to the next deadline of either session.
 */
export class SmallWorld {
  readonly sessions: Readonly<Record<Role, Session>>;
  readonly apps: SmallApp[] = [];
  readonly arrivals: Readonly<Record<Role, Arrivals>> = {
    entry: new Arrivals(),
    exit: new Arrivals(),
  };
  /** Lanes that at least one end still has. */
  lanes: SmallLane[] = [];
  deathsLeft: number;
  resumesLeft: number;
  now = 0;
  readonly #plan: SmallPlan;
  readonly #choose: Choose;
  /** Whose writers may go on. */
  readonly #rooms = new Set<'entry' | 'exit'>();
  #nextLane = 1;

  constructor(plan: SmallPlan, choose: Choose) {
    this.#plan = plan;
    this.#choose = choose;
    this.deathsLeft = plan.deaths;
    this.resumesLeft = plan.resumes;
    this.sessions = { entry: this.#newSession('entry'), exit: this.#newSession('exit') };
    for (let count = 0; count < LANES; count += 1) this.#addLane();
    this.#warmUp();
    for (const [index, transfer] of plan.transfers.entries()) {
      const app = new SmallApp(index, 'entry', transfer, this.sessions.entry, this);
      this.apps.push(app);
      app.start(this.sessions.entry.open(Uint8Array.of(index), app));
    }
    this.#settle();
  }

  /** What can happen now, in a fixed order. */
  actions(): Action[] {
    const actions: Action[] = [];
    for (const lane of this.lanes) {
      for (const to of ROLES) {
        if (lane.hasFor(to)) {
          actions.push({ name: `lane ${lane.id} to ${to}`, run: () => this.#arrive(lane, to) });
        }
      }
    }
    for (const app of this.apps) actions.push(...app.actions());
    // What is left moves without time, too, but not before it is acknowledged.
    if (actions.length === 0 && this.hasLane && !this.isDone) {
      actions.push({ name: 'time', run: () => this.#pass() });
    }
    return [...actions, ...this.#faults()];
  }

  act(action: Action): void {
    action.run();
    this.#settle();
  }

  /** True while a lane carries bytes, so that all that is sent leaves at once. */
  get hasLane(): boolean {
    return ROLES.every((role) => this.sessions[role].lanes.length > 0);
  }

  /** All is delivered and acknowledged. */
  get isDone(): boolean {
    return (
      this.apps.every((app) => app.isDone) &&
      ROLES.every((role) => this.sessions[role].lanes.every((lane) => !lane.hasFlights)) &&
      this.lanes.every((lane) => lane.isQuiet)
    );
  }

  /** With a lane, nothing waits that may leave: what is not acknowledged is under way. */
  verify(): void {
    for (const role of ROLES) {
      const { channels, lanes, transmitter } = this.sessions[role];
      assert.equal(transmitter.queuedControls, 0, `${role}: control frames are left behind`);
      const carried = new Set(lanes.flatMap((lane) => [...lane.flights].map(({ item }) => item)));
      for (const { id, send, isActive } of channels) {
        assert.ok(!isActive, `${role}: channel ${id} is left behind`);
        for (const segment of send.oldest(Number.POSITIVE_INFINITY)) {
          assert.ok(carried.has(segment), `${role}: nobody carries ${id} from ${segment.offset}`);
        }
      }
    }
  }

  /** Checks that nothing is left of what is done. */
  verifyDone(): void {
    assert.equal(this.apps.length, 2 * this.#plan.transfers.length, 'not every channel was opened');
    for (const role of ROLES) {
      const session = this.sessions[role];
      const peer = this.sessions[role === 'entry' ? 'exit' : 'entry'];
      assert.equal(session.channels.active, 0, `${role}: a channel is left`);
      assert.equal(session.options.sendBudget.used, 0, `${role}: bytes are kept for sending`);
      assert.equal(session.delivery.heldBytes, 0, `${role}: bytes are held`);
      const { sessionSent } = session.transmitter;
      assert.equal(peer.delivery.consumed, sessionSent, `${role}: session credit is lost`);
    }
  }

  #newSession(role: Role): Session {
    return new Session(
      {
        role,
        scheduler: this.#scheduler(),
        sessionWindow: SESSION_WINDOW,
        initialWindow: WINDOW,
        peerSessionWindow: SESSION_WINDOW,
        peerInitialWindow: WINDOW,
        maxChannels: 16,
        sendBudget: new Budget(SEND_BUDGET),
      },
      {
        onOpen: (channel, target) => this.#onOpen(channel, target),
        onLaneDone: (lane, reason) => assert.fail(`lane ${lane.id} was given up: ${reason}`),
        onGoAway() {},
        onRoom: () => this.#rooms.add(role),
        onClosed: (reason: ReasonName, detail: string) => assert.fail(`${reason}: ${detail}`),
      },
    );
  }

  /** Any lane may be taken. */
  #scheduler(): Scheduler {
    return {
      name: 'round-robin',
      usesCap: false,
      pick: (lanes) => {
        const open = lanes.filter((lane) => lane.health === 'good' && lane.port.writable);
        return open.length === 0 ? null : open[this.#choose(open.length)]!;
      },
    };
  }

  #onOpen(channel: Channel, target: Uint8Array): void {
    const index = target[0]!;
    assert.ok(!this.apps.some((app) => app.index === index && app.role === 'exit'), 'opened twice');
    const { exit } = this.sessions;
    const app = new SmallApp(index, 'exit', this.#plan.transfers[index]!, exit, this);
    channel.handler = app;
    this.apps.push(app);
    exit.accept(channel);
    app.start(channel);
  }

  #addLane(): void {
    this.lanes.push(new SmallLane(this.#nextLane, this.sessions, this.now));
    this.#nextLane += 1;
  }

  /** Lanes have answered their first PING before the first application comes. */
  #warmUp(): void {
    this.#settle();
    while (!this.isDone) {
      const [first] = this.actions();
      this.act(first!);
    }
  }

  #faults(): Action[] {
    const actions: Action[] = [];
    if (this.resumesLeft > 0 && this.lanes.length < LANES) {
      actions.push({
        name: 'resume',
        run: () => {
          this.resumesLeft -= 1;
          this.#addLane();
        },
      });
    }
    // Without a lane to come nothing could follow the death of the last one.
    const isLast = this.resumesLeft === 0 && this.lanes.length < LANES;
    if (this.deathsLeft === 0 || isLast) return actions;
    for (const lane of this.lanes.filter((candidate) => candidate.isWhole)) {
      const die = (name: string, how: () => void): void => {
        actions.push({
          name: `lane ${lane.id} dies, ${name}`,
          run: () => {
            this.deathsLeft -= 1;
            how();
          },
        });
      };
      die('all is lost', () => this.#kill(lane));
      if (ROLES.some((role) => lane.isDivisible(role))) {
        die('something is torn', () => {
          for (const role of ROLES) this.#tear(lane, role);
          this.#kill(lane);
        });
      }
      if (!this.#plan.isGradual) continue;
      for (const role of ROLES) die(`first for the ${role}`, () => this.#remove(lane, role));
    }
    return actions;
  }

  #arrive(lane: SmallLane, to: Role): void {
    const bytes = lane.take(to);
    if (bytes === null) this.#remove(lane, to);
    else this.#hand(lane, to, bytes);
  }

  /** All but the last byte of what comes next still arrives. */
  #tear(lane: SmallLane, to: Role): void {
    const bytes = lane.hasFor(to) ? lane.take(to) : null;
    if (bytes !== null) this.#hand(lane, to, bytes.slice(0, -1));
  }

  #hand(lane: SmallLane, to: Role, bytes: Uint8Array): void {
    this.arrivals[to].note(bytes);
    this.sessions[to].handleChunk(lane.ends[to]!, new Chunk(bytes.slice()), this.now);
  }

  /** Both ends hear of it at once, and what is under way is lost. */
  #kill(lane: SmallLane): void {
    for (const role of ROLES) {
      lane.lose(role);
      this.#remove(lane, role);
    }
  }

  /** One end is rid of the lane. What is under way to the other arrives there, and then the end does. */
  #remove(lane: SmallLane, role: Role): void {
    const end = lane.leave(role);
    if (end !== null) this.sessions[role].removeLane(end, this.now);
    this.lanes = this.lanes.filter((candidate) => !candidate.isGone);
  }

  /** Goes from deadline to deadline until something leaves. */
  #pass(): void {
    const limit = this.now + PATIENCE;
    while (this.lanes.every((lane) => lane.isQuiet) && !this.isDone) {
      const deadlines = ROLES.map((role) => this.sessions[role].nextDeadline(this.now));
      this.now = Math.min(...deadlines);
      assert.ok(this.now <= limit, `nothing moves any more: ${this.#unfinished()}`);
      for (const role of ROLES) this.sessions[role].handleTimeout(this.now);
      this.#settle();
    }
  }

  #settle(): void {
    for (const role of ROLES) {
      const session = this.sessions[role];
      do {
        this.#rooms.delete(role);
        session.transmit(this.now);
        while (session.hasDeliverable) {
          session.deliver(this.now);
          session.transmit(this.now);
        }
      } while (this.#rooms.has(role));
    }
  }

  #unfinished(): string {
    const apps = this.apps.filter((app) => !app.isDone).map((app) => app.name);
    const flights = ROLES.filter((role) =>
      this.sessions[role].lanes.some((lane) => lane.hasFlights),
    ).map((role) => `the ${role} waits for acknowledgements`);
    return [...apps, ...flights].join(', ');
  }
}

const LANES = 2;
/** Of a channel, in chunks. With chunks of one byte and these two numbers, windows do not grow. */
const WINDOW = 2;
const SESSION_WINDOW = 2;
/** A writer waits when it holds so many chunks. */
const SEND_BUDGET = 2;
/** An acknowledgement may wait for 5 ms; a lane is doubted after 150 ms. */
const PATIENCE = 100;
