import { createHash } from 'node:crypto';
import type { Channel } from '../../src/protocol/channel.ts';
import { FrameType, HEADER_BYTES, readU48 } from '../../src/protocol/frame.ts';
import type { Lane } from '../../src/protocol/lane.ts';
import { bestLane } from '../../src/protocol/scheduler.ts';
import type { Item } from '../../src/protocol/segment.ts';
import { framesOf, type SmallFrame } from './arrivals.ts';
import { ROLES, type Role, type SmallLane } from './small-lane.ts';
import type { SmallWorld } from './small-world.ts';

/**
 * All that decides what can still happen, for a world in which both ends have a lane: then whatever
 * may leave has left, so that no queue inside a session hides anything.
 *
 * Left out is what only counts or estimates: how many bytes a lane has carried (an acknowledgement
 * stands for the flights that it ends), when things happened (time passes only when all is at rest, and
 * then for a few ms), and of the estimates of routes all but which lane they prefer.
 */
export function digest(world: SmallWorld): string {
  return createHash('sha1').update(new Digest(world).text).digest('base64');
}

class Digest {
  readonly #world: SmallWorld;

  constructor(world: SmallWorld) {
    this.#world = world;
  }

  get text(): string {
    const { lanes, apps, deathsLeft, resumesLeft } = this.#world;
    const parts = [
      `${deathsLeft} ${resumesLeft}`,
      ...apps.map((app) => `${app.name} ${app.state}`),
    ];
    for (const role of ROLES) {
      parts.push(this.#session(role), ...lanes.map((lane) => this.#queue(lane, role)));
    }
    return parts.join('\n');
  }

  #session(role: Role): string {
    const { transmitter, delivery, options, lanes, channels } = this.#world.sessions[role];
    const preferred = bestLane(lanes, HEADER_BYTES, this.#world.now);
    const parts = [
      `${transmitter.sessionLimit} ${transmitter.sessionSent}`,
      `${delivery.announced} ${delivery.consumed}`,
      `${options.sendBudget.used} ${this.#place(preferred?.id)}`,
    ];
    for (const channel of channels) parts.push(this.#channel(channel, role));
    for (const lane of lanes) parts.push(this.#lane(lane, role));
    return parts.join('|');
  }

  #channel(channel: Channel, role: Role): string {
    const { id, openLane, send, receive } = channel;
    const { window } = receive;
    const open = openLane === 'any' ? 'any' : this.#place(openLane?.id);
    const segments = send
      .oldest(Number.POSITIVE_INFINITY)
      .map(({ offset, length, fin, lane }) => `${offset}+${length}${fin}${this.#place(lane?.id)}`);
    return [
      `${id} ${open} ${channel.isCongested} ${channel.owesFinAcked} ${channel.isPaused}`,
      `${send.state} ${send.next} ${send.limit} ${send.queuedBytes} ${segments}`,
      `${receive.state} ${receive.next} ${receive.heldBytes} ${receive.highest}`,
      `${this.#world.arrivals[role].after(id, receive.next)}`,
      `${receive.finalOffset} ${window.limit} ${window.consumed} ${window.size}`,
    ].join(' ');
  }

  #lane(lane: Lane, role: Role): string {
    const whole = this.#world.lanes.find(({ id }) => id === lane.id);
    const peer = whole?.ends[role === 'entry' ? 'exit' : 'entry'];
    const arrived = peer?.receivedBytes ?? 0;
    const flights = Array.from(
      lane.flights,
      ({ item, end }) => `${ofItem(item)}${end <= arrived ? '!' : ''}`,
    );
    return `${lane.ackDueAt !== null} ${lane.receivedBytes > 0} ${lane.health} ${flights}`;
  }

  /** What is under way to that end of the lane. */
  #queue(lane: SmallLane, to: Role): string {
    const pieces = lane.queues[to].map((bytes) =>
      Array.from(framesOf(bytes), (frame) => this.#frame(to, frame)).join(),
    );
    return `${lane.ends[to] !== null} ${pieces.join(';')}`;
  }

  #frame(to: Role, { type, id, body }: SmallFrame): string {
    if (type !== FrameType.LANE_ACK) return `${type} ${id} ${body}`;
    const lane = this.#world.sessions[to].lanes.find((candidate) => candidate.id === id);
    const received = readU48(body, 0);
    const ended = Array.from(lane?.flights ?? []).filter(({ end }) => end <= received);
    return `ack ${this.#place(id)} ${ended.length}`;
  }

  /** Lanes by their order instead of their numbers, which tell how many there have been. */
  #place(id: number | undefined): number {
    return this.#world.lanes.findIndex((lane) => lane.id === id);
  }
}

function ofItem(item: Item): string {
  if (item.isAcked) return 'acknowledged';
  if (item.kind === 'data') return `${item.channel.id}:${item.offset}+${item.length}${item.fin}`;
  return `${item.role} ${item.channel?.id} ${item.frame[0]}`;
}
