import assert from 'node:assert/strict';
import type { ReasonName } from '../../src/core/errors.ts';
import type { StripedPipe } from '../../src/io/pipe-striped.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';
import type { Lane } from '../../src/protocol/lane.ts';
import { App } from './app.ts';
import { Endpoint } from './endpoint.ts';
import { Flow } from './flow.ts';
import { Inspector } from './inspector.ts';
import { type Memory, plainMemory, slabMemory } from './memory.ts';
import type { ChannelPlan, Fault, WorldPlan } from './plan.ts';
import { Random } from './random.ts';
import { Route } from './route.ts';

/** One channel of the plan, both directions. */
export interface PlannedChannel {
  readonly plan: ChannelPlan;
  readonly up: Flow;
  readonly down: Flow;
  entry: App | null;
  exit: App | null;
}

export interface WorldOptions {
  /** Looks at every queue after every event, not only after some. */
  readonly isThorough?: boolean;
  /** Hears what happens: the time and a line. */
  readonly trace?: (now: number, what: string) => void;
}

/**
 * Two proxies, the lanes between them and applications at both ends, in virtual time.
 *
 * The proxies are the real session and trunk. Everything else is a model that is driven by a plan,
 * so that one plan gives one history.
 */
export class World {
  readonly clock = new VirtualClock();
  readonly plan: WorldPlan;
  readonly memory: Memory;
  readonly entry: Endpoint;
  readonly exit: Endpoint;
  readonly routes: readonly Route[];
  readonly channels: readonly PlannedChannel[];
  /** From when on nothing is wrong with the routes and processes any more. */
  readonly calmFrom: number;
  readonly inspector: Inspector;
  events = 0;
  /** Lanes that an end took for dead though nobody broke them. */
  givenUp = 0;
  readonly #random: Random;
  readonly #trace: WorldOptions['trace'];
  #nextLaneId = 1;
  #isClosing = false;

  constructor(plan: WorldPlan, options: WorldOptions = {}) {
    this.plan = plan;
    this.#trace = options.trace;
    this.#random = new Random(plan.seed);
    this.memory = plan.usesSlabs ? slabMemory() : plainMemory;
    this.entry = this.#newEndpoint('entry');
    this.exit = this.#newEndpoint('exit');
    const context = {
      clock: this.clock,
      random: this.#random.fork(),
      memory: this.memory,
      entry: this.entry,
      exit: this.exit,
      redialAfter: plan.redialAfter,
      nextLaneId: () => this.#nextLaneId++,
      trace: (what: () => string) => this.trace(what),
    };
    this.routes = plan.routes.map((parameters, index) => new Route(index, parameters, context));
    this.channels = plan.channels.map((channel, index) => ({
      plan: channel,
      up: new Flow(`channel ${index} up`, index, 0),
      down: new Flow(`channel ${index} down`, index, 1),
      entry: null,
      exit: null,
    }));
    this.inspector = new Inspector(this, options.isThorough ?? false);
    this.calmFrom = Math.max(
      0,
      ...plan.faults.map((fault) => fault.at + ('lasts' in fault ? fault.lasts : 0)),
    );
    this.#schedule();
  }

  now(): number {
    return this.clock.now();
  }

  trace(what: () => string): void {
    this.#trace?.(this.clock.now(), what());
  }

  get isTraced(): boolean {
    return this.#trace !== undefined;
  }

  /** Runs one event and looks at the invariants. @returns false when nothing is left to happen */
  step(): boolean {
    if (!this.clock.step()) return false;
    this.events += 1;
    this.inspector.look();
    return true;
  }

  runUntil(time: number): void {
    this.clock.at(time, () => {});
    while (this.now() < time && this.step());
  }

  /** Runs to the end: until every application is done, then until nothing is left of the session. */
  run(): void {
    const { limit } = this.plan;
    while (!this.isDone && this.now() < limit) {
      assert.ok(this.step(), 'nothing is left to happen, yet not all is done');
    }
    assert.ok(this.isDone, `not done after ${limit} ms: ${this.inspector.unfinished()}`);
    this.#settle();
    this.inspector.lookAtRest();
    this.close();
  }

  /** Ends the session and checks that nothing of it stays. */
  close(): void {
    this.#isClosing = true;
    this.entry.clock.resume();
    this.exit.clock.resume();
    this.entry.trunk.close('SHUTDOWN');
    this.runUntil(this.now() + CLOSING);
    if (!this.exit.session.isClosed) this.exit.trunk.close('SHUTDOWN');
    for (const route of this.routes) route.clear();
    while (this.step());
    this.inspector.lookAtEnd();
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** True when all applications have come to an end and the sessions know of no channel. */
  get isDone(): boolean {
    return (
      this.channels.every(({ entry, exit, plan }) => {
        if (entry === null || !entry.isOver) return false;
        return exit === null ? plan.isRefused === true || entry.state !== 'whole' : exit.isOver;
      }) &&
      this.entry.session.channels.active === 0 &&
      this.exit.session.channels.active === 0
    );
  }

  /** Lets the last windows and acknowledgements through. */
  #settle(): void {
    const slowest = Math.max(...this.plan.routes.map(({ up, down }) => up.delay + down.delay));
    this.runUntil(Math.max(this.now(), this.calmFrom) + 4 * slowest + SETTLING);
  }

  #newEndpoint(role: 'entry' | 'exit'): Endpoint {
    return new Endpoint(role, this.clock, this.#random.fork(), this.plan, {
      onOpen: (pipe, target) => this.#onOpen(pipe, target),
      onLaneEnd: (lane, cause) => this.#onLaneEnd(role, lane, cause),
      onClosed: (reason, detail) => this.#onClosed(role, reason, detail),
    });
  }

  #schedule(): void {
    for (const route of this.routes) route.dial(0);
    this.channels.forEach((channel, index) => {
      this.clock.at(channel.plan.opensAt, () => {
        this.entry.clock.input(() => this.#open(channel, index));
      });
    });
    for (const fault of this.plan.faults) this.clock.at(fault.at, () => this.#befall(fault));
  }

  #open(channel: PlannedChannel, index: number): void {
    const pipe = this.entry.trunk.open(new TextEncoder().encode(String(index)));
    const flows = { out: channel.up, in: channel.down };
    const { clock } = this.entry;
    const { entry } = channel.plan;
    if (channel.plan.isRefused) {
      channel.up.isAborted = true;
      channel.down.isAborted = true;
    }
    channel.entry = new App(`entry ${index}`, pipe, entry, flows, clock, this.memory);
    channel.entry.start();
  }

  #onOpen(pipe: StripedPipe, target: Uint8Array): void {
    const index = Number(new TextDecoder().decode(target));
    const channel = this.channels[index];
    assert.ok(channel !== undefined, `a channel that nobody opened: ${index}`);
    const { plan } = channel;
    const { clock } = this.exit;
    const attach = (): void => {
      assert.ok(channel.exit === null, `channel ${index} was opened twice`);
      const flows = { out: channel.down, in: channel.up };
      channel.exit = new App(`exit ${index}`, pipe, plan.exit, flows, clock, this.memory);
    };
    if (!plan.isRefused) attach();
    const answer = (): void => {
      if (plan.isRefused) {
        pipe.refuse('REFUSED', true);
        return;
      }
      pipe.accept();
      channel.exit?.start();
    };
    clock.at(clock.now() + plan.answersAfter, answer);
  }

  #onLaneEnd(role: 'entry' | 'exit', lane: Lane, cause: string): void {
    this.trace(() => `${role}: lane ${lane.id} ended: ${cause}`);
    if (cause === 'LANE_SILENT') this.givenUp += 1;
    const route = this.routes.find(({ laneId }) => laneId === lane.id);
    if (role === 'entry' && route?.laneId === lane.id) route.onEntryLost();
  }

  #onClosed(role: 'entry' | 'exit', reason: ReasonName, detail: string): void {
    this.trace(() => `${role}: closed: ${reason}, ${detail}`);
    assert.ok(this.#isClosing, `the ${role} closed the session: ${reason}, ${detail}`);
  }

  #befall(fault: Fault): void {
    this.trace(() => `fault: ${JSON.stringify(fault)}`);
    const later = (time: number, fn: () => void): void => {
      this.clock.at(this.now() + time, () => {
        this.trace(() => `over: ${JSON.stringify(fault)}`);
        fn();
      });
    };
    switch (fault.kind) {
      case 'break':
        this.#route(fault.route).break(fault.seenBy, fault.otherAfter);
        break;
      case 'stall': {
        const route = this.#route(fault.route);
        route.hold(fault.direction);
        later(fault.lasts, () => route.release(fault.direction));
        break;
      }
      case 'throttle': {
        const route = this.#route(fault.route);
        route.throttle(fault.factor);
        later(fault.lasts, () => route.throttle(1 / fault.factor));
        break;
      }
      case 'outage':
        for (const route of this.routes) {
          if (fault.isSilent) route.hold('both');
          else {
            route.forbid(true);
            route.break('both', null);
          }
        }
        later(fault.lasts, () => {
          for (const route of this.routes) {
            if (fault.isSilent) route.release('both');
            else route.forbid(false);
          }
        });
        break;
      case 'stop': {
        const { clock } = this[fault.end];
        clock.stop();
        later(fault.lasts, () => clock.resume());
        break;
      }
      case 'drain': {
        const { laneId } = this.#route(fault.route);
        const { trunk, clock } = this[fault.end];
        clock.input(() => {
          const lane = trunk.session.lanes.find(({ id }) => id === laneId);
          if (lane !== undefined) trunk.drainLane(lane);
        });
        break;
      }
    }
    this.inspector.lookDeep();
  }

  #route(index: number): Route {
    const route = this.routes[index];
    assert.ok(route !== undefined, `the plan has no route ${index}`);
    return route;
  }
}

/** ms. */
const SETTLING = 500;
const CLOSING = 5_000;
