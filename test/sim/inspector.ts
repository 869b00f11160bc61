import assert from 'node:assert/strict';
import type { Channel } from '../../src/protocol/channel.ts';
import type { Lane } from '../../src/protocol/lane.ts';
import type { Item } from '../../src/protocol/segment.ts';
import type { Endpoint } from './endpoint.ts';
import type { World } from './world.ts';

interface LaneMarks {
  sent: number;
  acked: number;
  received: number;
  allowed: number;
}

interface ChannelMarks {
  sendNext: number;
  sendLimit: number;
  receiveNext: number;
  receiveLimit: number;
}

/**
 * Looks at both sessions from outside after every event, and more closely after some.
 *
 *  1. Counters and limits never fall.
 *  2. Nobody sends beyond the window that the other end has advertised.
 *  3. Everything held is within its bound: receive windows, send budget, bytes in flight.
 *  4. What is not acknowledged is carried by a live lane or queued to travel again.
 *  5. A flow whose reader reads moves while a lane carries bytes.
 *  6. When all channels are gone, all credit and memory has come back.
 *
 * That bytes come out as they went in is checked where they come out (flow.ts).
 */
export class Inspector {
  readonly #world: World;
  readonly #isThorough: boolean;
  readonly #lanes = new WeakMap<Lane, LaneMarks>();
  readonly #channels = new WeakMap<Channel, ChannelMarks>();
  #events = 0;
  #nextProgressLook = 0;
  /** Since when there has been a lane that carries bytes. */
  #upSince: number | null = null;
  /** The most that either end held to restore order, bytes. */
  peakHeld = 0;

  constructor(world: World, isThorough: boolean) {
    this.#world = world;
    this.#isThorough = isThorough;
  }

  /** After every event. */
  look(): void {
    this.#events += 1;
    const { entry, exit } = this.#world;
    this.#lookAt(entry);
    this.#lookAt(exit);
    if (this.#isThorough || this.#events % DEEP_EVERY === 0) this.lookDeep();
    if (this.#world.now() >= this.#nextProgressLook) {
      this.#nextProgressLook = this.#world.now() + 1_000;
      this.#lookForStuckFlows();
    }
  }

  lookDeep(): void {
    const { entry, exit } = this.#world;
    this.#lookDeepAt(entry, exit);
    this.#lookDeepAt(exit, entry);
  }

  /** All applications are done and the lanes are quiet, but still there. */
  lookAtRest(): void {
    this.lookDeep();
    const { entry, exit, channels } = this.#world;
    for (const { up, down } of channels) {
      for (const flow of [up, down]) {
        if (flow.isAborted) continue;
        check(flow.isFinSeen, () => `${flow.name}: no FIN`);
        assert.equal(flow.deliveredBytes, flow.sentBytes, `${flow.name}: not all was delivered`);
      }
    }
    for (const [sender, receiver] of [
      [entry, exit],
      [exit, entry],
    ] as const) {
      const { transmitter } = sender.session;
      const { delivery } = receiver.session;
      const way = `${sender.role} to ${receiver.role}`;
      assert.equal(sender.budget.used, 0, `${sender.role}: send budget still taken`);
      assert.equal(delivery.heldBytes, 0, `${receiver.role}: bytes still held`);
      assert.equal(delivery.announced, transmitter.sessionSent, `${way}: bytes sent and announced`);
      assert.equal(delivery.consumed, delivery.announced, `${way}: session credit`);
      const missing = delivery.consumed + this.#world.plan.sessionWindow - transmitter.sessionLimit;
      check(
        missing <= this.#world.plan.sessionWindow / 4,
        () => `${way}: the sender lacks ${missing} bytes of the session window`,
      );
    }
  }

  /** The session was closed and the network switched off. */
  lookAtEnd(): void {
    const { entry, exit, clock, memory } = this.#world;
    for (const { role, session, budget } of [entry, exit]) {
      check(session.isClosed, () => `${role}: not closed`);
      assert.equal(session.channels.active, 0, `${role}: channels left`);
      assert.equal(budget.used, 0, `${role}: send budget still taken after close`);
      assert.equal(session.nextDeadline(clock.now()), Number.POSITIVE_INFINITY);
      check(!session.hasDeliverable, () => `${role}: calls owed after close`);
    }
    assert.equal(clock.pending, 0, 'timers left');
    assert.equal(memory.outBytes, 0, 'slabs that nobody released');
  }

  /** Who is not done, for a message. */
  unfinished(): string {
    const { channels, entry, exit } = this.#world;
    const apps = channels
      .flatMap((channel) => [channel.entry, channel.exit])
      .filter((app) => app !== null && !app.isOver)
      .map((app) => `${app!.name} (in ${app!.in.deliveredBytes} of ${app!.in.sentBytes})`);
    const lanes = [entry, exit].map(
      ({ role, session }) =>
        `${role}: ${session.channels.active} channels, lanes ` +
        session.lanes.map((lane) => `${lane.id} ${lane.health} ${lane.inFlight}`).join(', '),
    );
    return [...apps, ...lanes].join('; ');
  }

  #lookAt(end: Endpoint): void {
    const { session, budget, role } = end;
    const { transmitter, delivery } = session;
    for (const lane of session.lanes) this.#lookAtLane(lane, role);
    check(
      transmitter.sessionSent <= transmitter.sessionLimit,
      () => `${role}: sent ${transmitter.sessionSent}, session limit ${transmitter.sessionLimit}`,
    );
    const held = delivery.heldBytes;
    const window = this.#world.plan.sessionWindow;
    check(held >= 0 && held <= window, () => `${role}: holds ${held} of a window of ${window}`);
    if (held > this.peakHeld) this.peakHeld = held;
    const most = budget.limit + session.channels.active * LARGEST_WRITE;
    check(
      budget.used >= 0 && budget.used <= most,
      () => `${role}: ${budget.used} bytes held for sending, at most ${most}`,
    );
  }

  #lookAtLane(lane: Lane, role: string): void {
    const { path } = lane;
    const name = (): string => `${role}: lane ${lane.id}`;
    const allowed = path.cap + 1.25 * path.chunk + SPARSE_ALLOWANCE + CONTROLS;
    const marks = this.#lanes.get(lane) ?? { sent: 0, acked: 0, received: 0, allowed };
    this.#lanes.set(lane, marks);
    check(lane.ackedBytes >= marks.acked, () => `${name()}: acknowledged bytes fell`);
    check(lane.sentBytes >= marks.sent, () => `${name()}: sent bytes fell`);
    check(lane.receivedBytes >= marks.received, () => `${name()}: received bytes fell`);
    check(lane.ackedBytes <= lane.sentBytes, () => `${name()}: more acknowledged than sent`);
    // A cap may fall below what is in flight; then only control frames may join.
    const most = Math.max(allowed, marks.allowed);
    const isGrowing = lane.sentBytes - marks.sent > CONTROLS;
    check(
      !isGrowing || lane.inFlight <= most || this.#world.plan.scheduler !== 'adaptive',
      () => `${name()}: ${lane.inFlight} bytes in flight, at most ${most}`,
    );
    marks.sent = lane.sentBytes;
    marks.acked = lane.ackedBytes;
    marks.received = lane.receivedBytes;
    marks.allowed = allowed;
  }

  #lookDeepAt(end: Endpoint, peer: Endpoint): void {
    const { session, role, budget } = end;
    const carriers = new Map<Item, number>();
    for (const lane of session.lanes) {
      for (const { item } of lane.flights) carriers.set(item, (carriers.get(item) ?? 0) + 1);
    }
    let held = 0;
    let kept = 0;
    for (const channel of session.channels) {
      const name = (): string => `${role}: channel ${channel.id}`;
      this.#lookAtChannel(channel, peer, name);
      held += channel.receive.heldBytes;
      kept += channel.send.queuedBytes + channel.send.outstandingBytes;
      for (const segment of channel.send.oldest(Number.POSITIVE_INFINITY)) {
        const count = carriers.get(segment) ?? 0;
        const where = (): string => `${name()}, segment at ${segment.offset}`;
        check(segment.carriers === count, () => `${where()}: ${count} lanes carry it`);
        check(count > 0 || segment.isQueued, () => `${where()}: neither carried nor queued`);
      }
    }
    check(session.delivery.heldBytes === held, () => `${role}: the sum of held bytes is ${held}`);
    check(budget.used === kept, () => `${role}: the sum of bytes kept for sending is ${kept}`);
  }

  #lookAtChannel(channel: Channel, peer: Endpoint, name: () => string): void {
    const { send, receive } = channel;
    const { window } = receive;
    check(send.next <= send.limit, () => `${name()}: sent ${send.next}, limit ${send.limit}`);
    check(receive.highest <= window.limit, () => `${name()}: data beyond the window`);
    check(receive.heldBytes <= window.size, () => `${name()}: holds more than its window`);
    check(window.consumed <= receive.highest, () => `${name()}: consumed what never came`);
    const other = peer.session.channels.get(channel.id);
    if (other !== undefined && !other.isReset && !channel.isReset) {
      const { limit } = other.receive.window;
      check(send.limit <= limit, () => `${name()}: limit was never advertised`);
      check(other.receive.next <= send.next, () => `${name()}: the peer has what was never sent`);
    }
    const last = this.#channels.get(channel);
    const now = {
      sendNext: send.next,
      sendLimit: send.limit,
      receiveNext: receive.next,
      receiveLimit: window.limit,
    };
    this.#channels.set(channel, now);
    if (last === undefined) return;
    check(now.sendNext >= last.sendNext, () => `${name()}: next to send fell`);
    check(now.sendLimit >= last.sendLimit, () => `${name()}: send limit fell`);
    check(now.receiveNext >= last.receiveNext, () => `${name()}: next to receive fell`);
    check(now.receiveLimit >= last.receiveLimit, () => `${name()}: receive limit fell`);
  }

  #lookForStuckFlows(): void {
    const { channels, routes, calmFrom } = this.#world;
    const now = this.#world.now();
    // The other schedulers hand a slow lane all that its buffers take.
    if (this.#world.plan.scheduler !== 'adaptive') return;
    if (!routes.some((route) => route.isUp)) {
      this.#upSince = null;
      return;
    }
    this.#upSince ??= now;
    const since = Math.max(calmFrom, this.#upSince);
    for (const { up, down } of channels) {
      for (const flow of [up, down]) {
        if (flow.waitingSince === null || flow.isAborted) continue;
        const waited = now - Math.max(flow.waitingSince, since);
        check(waited < STUCK, () => `${flow.name}: nothing delivered for ${waited} ms`);
      }
    }
  }
}

/** The message is made only when it is needed: this runs a million times. */
function check(holds: boolean, what: () => string): void {
  if (!holds) assert.fail(what());
}

const DEEP_EVERY = 64;
/** The largest chunk that an application of the model writes. */
const LARGEST_WRITE = 256 * 1024;
/** What interactive frames may pass the cap by, as the scheduler has it. */
const SPARSE_ALLOWANCE = 16 * 1024;
/** Frames other than DATA that may be in flight on top, bytes. */
const CONTROLS = 8 * 1024;
/** ms. */
const STUCK = 20_000;
