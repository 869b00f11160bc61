import type { Chunk } from '../core/chunk.ts';
import { ProtocolViolation } from '../core/errors.ts';
import type { Budget } from '../data/budget.ts';
import type { Channel } from './channel.ts';
import type { Item } from './segment.ts';
import type { Transmitter } from './transmitter.ts';
import { Writers } from './writers.ts';

/** Who sees to it that writers that wait go on. */
export interface RoomHandler {
  /**
   * Call `transmit` and `deliver` of the session in a later turn. This may come from anywhere, even
   * from inside of another session with which this one shares its budget.
   */
  onRoom(): void;
}

/**
 * The way of written bytes: from the application, through the channel's queue, to the transmitter;
 * and what comes back for them: windows, acknowledgements, room for more.
 */
export class Dispatch {
  readonly #transmitter: Transmitter;
  readonly #writers: Writers;
  readonly #owe: (channel: Channel) => void;

  /** `owe`: the channel's handler is owed a call. */
  constructor(
    transmitter: Transmitter,
    budget: Budget,
    handler: RoomHandler,
    owe: (channel: Channel) => void,
  ) {
    this.#transmitter = transmitter;
    this.#owe = owe;
    this.#writers = new Writers(budget, {
      backlog: () => transmitter.backlog,
      wake: (channel) => {
        channel.owesDrain = true;
        owe(channel);
      },
      again: () => handler.onRoom(),
    });
  }

  /** Takes over the chunk. */
  write(channel: Channel, chunk: Chunk, now: number): void {
    const { send } = channel;
    if (channel.isReset || send.state !== 'open') {
      chunk.release();
      return;
    }
    send.push(chunk);
    this.#transmitter.activate(channel, now);
    this.#writers.take(chunk.length);
  }

  /** True when the channel's writer has to wait until its handler hears `onDrain`. */
  mustWait(channel: Channel): boolean {
    this.#writers.check(channel);
    return channel.isCongested;
  }

  finish(channel: Channel, now: number): void {
    if (channel.isReset || channel.send.state !== 'open') return;
    channel.send.state = 'fin-queued';
    this.#transmitter.activate(channel, now);
  }

  /** Something was sent: writers may go on. */
  onTransmitted(now: number): void {
    for (;;) {
      const channel = this.#transmitter.takeShortened();
      if (channel === undefined) break;
      this.#writers.onShortened(channel, now);
    }
    this.#writers.serve();
  }

  onAcked(item: Item, now: number): void {
    if (item.kind === 'control') {
      item.isAcked = true;
      if (item.role === 'open') {
        item.channel!.openLane = 'any';
        item.channel!.opening = null;
      }
      return;
    }
    const { send } = item.channel;
    const wasDone = send.state === 'done';
    this.#settle(item.channel, wasDone, send.onAcked(item));
    // It may have waited for its small frames to arrive.
    this.#transmitter.activate(item.channel, now);
  }

  /** The peer takes bytes below `limit`, and has all below `next`. @throws {ProtocolViolation} */
  onWindow(channel: Channel, limit: number, next: number, now: number): void {
    const { send } = channel;
    if (next > send.next) throw new ProtocolViolation('BAD_ACK', `channel ${channel.id}, ${next}`);
    send.limit = Math.max(send.limit, limit);
    const wasDone = send.state === 'done';
    this.#settle(channel, wasDone, send.onDelivered(next));
    this.#transmitter.activate(channel, now);
  }

  /** The peer takes `limit` bytes, over all channels. */
  onSessionWindow(limit: number, channels: Iterable<Channel>, now: number): void {
    const transmitter = this.#transmitter;
    const wasBlocked = transmitter.isSessionBlocked;
    transmitter.sessionLimit = Math.max(transmitter.sessionLimit, limit);
    if (!wasBlocked) return;
    for (const channel of channels) transmitter.activate(channel, now);
  }

  /** Throws away what is queued and what may have to travel again. */
  discard(channel: Channel): void {
    this.#writers.give(channel.send.discard());
    this.#writers.forget(channel);
  }

  clear(): void {
    this.#writers.clear();
  }

  /** Channels that wait for the peer: for its window, or for the last of what was sent. */
  *blocked(channels: Iterable<Channel>): Iterable<Channel> {
    const { isSessionBlocked } = this.#transmitter;
    for (const channel of channels) {
      const { send } = channel;
      if (send.outstandingBytes === 0) continue;
      if (send.isBlocked || isSessionBlocked || !send.hasNew) yield channel;
    }
  }

  /** `bytes` more of the channel are acknowledged. */
  #settle(channel: Channel, wasDone: boolean, bytes: number): void {
    this.#writers.give(bytes);
    if (wasDone || channel.send.state !== 'done') return;
    channel.owesFinAcked = true;
    this.#owe(channel);
  }
}
