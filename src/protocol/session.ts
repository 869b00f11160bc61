import { assert } from '../core/assert.ts';
import type { Chunk } from '../core/chunk.ts';
import { ProtocolViolation, Reason, type ReasonName } from '../core/errors.ts';
import type { Budget } from '../data/budget.ts';
import { OnceQueue } from '../data/once-queue.ts';
import { Channel, type ChannelHandler, ChannelQueue } from './channel.ts';
import { Channels } from './channels.ts';
import { Delivery } from './delivery.ts';
import { Dispatch, type RoomHandler } from './dispatch.ts';
import { encodeOpen, encodeOpenOk, encodeReason, encodeReset, FrameType } from './frame.ts';
import { Inbound } from './inbound.ts';
import type { Lane, LanePort } from './lane.ts';
import { Lanes, type LanesHandler } from './lanes.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { Scheduler } from './scheduler.ts';
import { Control } from './segment.ts';
import { Transmitter } from './transmitter.ts';

/**
 * The share of the session window whose return is told. What is free and untold lies idle, and with
 * stopped readers it may be all that there is for the others.
 */
const SESSION_SHARE = 1 / 32;

/** What both ends agreed on in the handshake, and this end's own bounds. Bytes. */
export interface SessionOptions {
  readonly role: 'entry' | 'exit';
  readonly scheduler: Scheduler;
  /** The sum of what the peer may have under way and unread, over all channels. */
  readonly sessionWindow: number;
  /** What the peer may send on a new channel before it hears more. */
  readonly initialWindow: number;
  /** The same two, as the peer has set them. */
  readonly peerSessionWindow: number;
  readonly peerInitialWindow: number;
  readonly maxChannels: number;
  /** Bounds what is held for sending and re-sending, over all sessions of the process. */
  readonly sendBudget: Budget;
}

/** Who listens to a session. Called from `handle...` and `deliver` only, never from a verb; `onRoom` is apart. */
export interface SessionHandler extends LanesHandler, RoomHandler {
  /** The peer opens a channel: answer with `accept` or `refuse`. */
  onOpen(channel: Channel, target: Uint8Array): void;
  /** The peer accepts no more channels. */
  onGoAway(): void;
  /** The session is over; all channels that are not complete have heard of it. */
  onClosed(reason: ReasonName, detail: string): void;
}

/**
 * The protocol of one entry-exit relation, without sockets, clock or randomness: lanes, channels,
 * and what moves between them. Time (ms, any origin, never falling) and bytes are arguments.
 *
 *   inputs     handleChunk, handleTimeout, addLane, removeLane
 *   verbs      open, accept, refuse, write, finish, reset, stop, pause, resume, goAway, close
 *   outputs    transmit() writes to the lanes' ports; deliver() calls handlers back;
 *              nextDeadline() says when handleTimeout() is due
 *
 * After inputs and verbs, call `transmit(now)`, then `deliver(now)`, then look at `nextDeadline(now)`.
 */
export class Session {
  readonly options: SessionOptions;
  readonly channels = new Channels();
  readonly delivery: Delivery;
  readonly dispatch: Dispatch;
  readonly transmitter: Transmitter;
  readonly #handler: SessionHandler;
  readonly #window: ReceiveWindow;
  readonly #lanes: Lanes;
  readonly #inbound: Inbound;
  /** Channels whose handler is owed a call: resumed, drained, FIN acknowledged. */
  readonly #owed = new OnceQueue<Channel>(ChannelQueue.owed);
  #closed: ReasonName | null = null;
  #isGoingAway = false;
  #isPeerGoingAway = false;

  constructor(options: SessionOptions, handler: SessionHandler) {
    this.options = options;
    this.#handler = handler;
    this.#window = new ReceiveWindow(options.sessionWindow, (size) => size * SESSION_SHARE);
    this.transmitter = new Transmitter(options.scheduler, this.#window, options.peerSessionWindow);
    this.#lanes = new Lanes(this.transmitter, handler);
    this.delivery = new Delivery(
      this.#window,
      this.transmitter,
      options.initialWindow,
      () => this.#lanes.rtt,
    );
    this.#inbound = new Inbound(this, options.role);
    this.dispatch = new Dispatch(this.transmitter, options.sendBudget, handler, (channel) =>
      this.#owed.push(channel),
    );
  }

  get isClosed(): boolean {
    return this.#closed !== null;
  }

  /** Over, and all that had arrived in full has been read. */
  get isEmptied(): boolean {
    return this.#closed !== null && this.channels.active === 0;
  }

  /** True when `open` makes sense. */
  get isOpen(): boolean {
    return this.#closed === null && !this.#isPeerGoingAway && this.channels.hasIds;
  }

  get lanes(): readonly Lane[] {
    return this.#lanes.all;
  }

  get sentBytes(): number {
    return this.#lanes.sentBytes;
  }

  get receivedBytes(): number {
    return this.#lanes.receivedBytes;
  }

  // Lanes.

  addLane(id: number, port: LanePort, now: number): Lane {
    return this.#lanes.add(id, port, this.#inbound, now);
  }

  /** The lane is lost, or ended in good order: what it carried travels again. */
  removeLane(lane: Lane, now: number): void {
    this.#lanes.remove(lane, now);
  }

  /** Puts no new frames on the lane; `onLaneDone` follows when all is acknowledged. */
  drainLane(lane: Lane): void {
    this.#lanes.drain(lane);
  }

  /** Takes over bytes that arrived on the lane. Never throws for what a peer sends. */
  handleChunk(lane: Lane, chunk: Chunk, now: number): void {
    const decoder = this.#lanes.decoder(lane);
    if (decoder === undefined || this.#closed !== null) {
      chunk.release();
      return;
    }
    lane.onReceived(chunk.length, now);
    this.#inbound.begin(lane, now);
    const { frames } = decoder;
    try {
      decoder.push(chunk);
      if (decoder.frames !== frames) lane.frameEndedAt = now;
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.close(error.reason, now, `lane ${lane.id}: ${error.message}`);
    }
  }

  handleTimeout(now: number): void {
    this.#lanes.tick(this.dispatch.blocked(this.channels), now);
  }

  /** When `handleTimeout` or `transmit` has something to do, ms; infinite for never. */
  nextDeadline(now: number): number {
    if (this.#closed !== null) return Number.POSITIVE_INFINITY;
    return Math.min(this.#lanes.nextTick(now), this.#lanes.nextAck());
  }

  /** Writes to the lanes what they have room for. */
  transmit(now: number): void {
    if (this.#closed !== null) return;
    this.transmitter.transmit(this.lanes, now);
    this.dispatch.onTransmitted(now);
  }

  /** Calls back those who are owed a call. */
  deliver(now: number): void {
    for (;;) {
      const channel = this.#owed.shift();
      if (channel === undefined) return;
      this.#callBack(channel, now);
    }
  }

  get hasDeliverable(): boolean {
    return this.#owed.size > 0;
  }

  // Verbs.

  /** Opens a channel; bytes may be written at once and leave with it. `target`: UTF-8, empty for the exit's own. */
  open(target: Uint8Array, handler: ChannelHandler): Channel {
    assert(
      this.options.role === 'entry' && this.isOpen,
      'only an open entry session opens channels',
    );
    const id = this.channels.takeId();
    const channel = this.#newChannel(id, false);
    channel.handler = handler;
    const frame = encodeOpen(id, channel.receive.window.limit, target);
    channel.opening = new Control('open', frame, channel);
    this.transmitter.post(channel.opening);
    return channel;
  }

  /** The target of a channel that the peer opened has answered. */
  accept(channel: Channel): void {
    if (channel.isReset) return;
    const frame = encodeOpenOk(channel.id, channel.receive.window.advance());
    this.transmitter.post(new Control('other', frame, channel));
  }

  /** Its target has not. */
  refuse(channel: Channel, reason: ReasonName): void {
    if (channel.isReset) return;
    this.channels.refused += 1;
    this.#abandon(channel);
    channel.detach();
    this.#post(FrameType.OPEN_FAIL, channel.id, reason, channel);
    this.removeIfDone(channel);
  }

  /** Takes over the chunk. The next `transmit` sends what it can; then ask `mustWait`. */
  write(channel: Channel, chunk: Chunk, now: number): void {
    this.dispatch.write(channel, chunk, now);
  }

  /** True when the channel's writer has to wait for `onDrain`. */
  mustWait(channel: Channel): boolean {
    return this.dispatch.mustWait(channel);
  }

  /** Ends this direction after what was written. */
  finish(channel: Channel, now: number): void {
    this.dispatch.finish(channel, now);
  }

  /** RST: both directions end now; the handler hears nothing more. */
  reset(channel: Channel, reason: ReasonName): void {
    channel.detach();
    if (channel.isReset || channel.isDone) return;
    this.#sendReset(channel, reason);
    this.removeIfDone(channel);
  }

  /** Asks the peer to reset the channel, because its data is no longer wanted here. */
  stop(channel: Channel, reason: ReasonName): void {
    if (channel.isReset) return;
    this.#post(FrameType.STOP, channel.id, reason, channel);
    this.delivery.discard(channel);
    this.removeIfDone(channel);
  }

  pause(channel: Channel): void {
    channel.isPaused = true;
  }

  resume(channel: Channel): void {
    if (!channel.isPaused) return;
    channel.isPaused = false;
    this.#owed.push(channel);
  }

  /** Tells the peer to open no more channels. */
  goAway(): void {
    if (this.#isGoingAway || this.#closed !== null) return;
    this.#isGoingAway = true;
    this.#post(FrameType.GOAWAY, 0, 'SHUTDOWN');
  }

  /** Ends the session, as `end` does, and tells the peer. */
  close(reason: ReasonName, now: number, detail: string = Reason[reason].text): void {
    if (this.#closed !== null) return;
    const frame = encodeReason(FrameType.SESSION_CLOSE, 0, Reason[reason].code);
    this.transmitter.conclude(new Control('other', frame), this.lanes, now);
    this.end(reason, detail);
  }

  // What frames mean; called by Inbound.

  get isGoingAway(): boolean {
    return this.#isGoingAway;
  }

  /** A channel that the peer opened. */
  onOpen(id: number, sendLimit: number, target: Uint8Array, refusal: ReasonName | null): void {
    const channel = this.#newChannel(id, true);
    channel.send.limit = sendLimit;
    if (refusal === null) this.#handler.onOpen(channel, target);
    else this.refuse(channel, refusal);
  }

  onLaneClose(id: number, reason: ReasonName): void {
    this.#lanes.onClose(id, reason);
  }

  onLaneAck(id: number, received: number, delay: number, now: number): void {
    const lane = this.#lanes.find(id);
    // A lane that is gone here may still be acknowledged from the other end.
    if (lane === undefined) return;
    this.#lanes.onAck(lane, received, delay, now, (item) => this.dispatch.onAcked(item, now));
  }

  /** The peer has reset or refused the channel. */
  onPeerReset(channel: Channel, reason: ReasonName, finalOffset: number): void {
    this.delivery.end(channel, finalOffset);
    if (!channel.isReset) {
      this.channels.reset += 1;
      const { handler } = channel;
      this.#sendReset(channel, reason);
      channel.detach();
      handler.onReset(reason);
    }
    this.removeIfDone(channel);
  }

  onStop(channel: Channel, reason: ReasonName): void {
    if (channel.isReset || channel.isDone) return;
    const { handler } = channel;
    this.reset(channel, reason);
    handler.onReset(reason);
  }

  onGoAway(): void {
    if (this.#isPeerGoingAway) return;
    this.#isPeerGoingAway = true;
    this.#handler.onGoAway();
  }

  removeIfDone(channel: Channel): void {
    if (!channel.isDone || channel.owesFinAcked || !this.channels.remove(channel)) return;
    this.delivery.forget(channel);
    this.transmitter.forget(channel);
    this.#owed.delete(channel);
  }

  // The rest.

  /**
   * The session is over, without a word to the peer. Channels are reset, but for those that are complete:
   * they need the peer no more, and end when their readers have taken what has arrived.
   */
  end(reason: ReasonName, detail: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const channel of [...this.channels]) {
      if (channel.isComplete) continue;
      this.#abandon(channel);
      this.channels.remove(channel);
      this.#owed.delete(channel);
      const { handler } = channel;
      channel.detach();
      handler.onReset(reason === 'SHUTDOWN' ? 'GOING_AWAY' : reason);
    }
    this.#lanes.clear();
    this.dispatch.clear();
    this.#handler.onClosed(reason, detail);
  }

  #newChannel(id: number, isKnown: boolean): Channel {
    const channel = new Channel(id, {
      sendLimit: this.options.peerInitialWindow,
      receiveWindow: this.delivery.firstWindow(),
      isKnown,
    });
    this.channels.add(channel);
    return channel;
  }

  #post(type: FrameType, id: number, reason: ReasonName, channel: Channel | null = null): void {
    this.transmitter.post(
      new Control('other', encodeReason(type, id, Reason[reason].code), channel),
    );
  }

  #sendReset(channel: Channel, reason: ReasonName): void {
    const frame = encodeReset(channel.id, Reason[reason].code, channel.send.next);
    this.#abandon(channel);
    this.transmitter.post(new Control('other', frame, channel));
  }

  /** Forgets what the channel holds, in both directions. */
  #abandon(channel: Channel): void {
    channel.isReset = true;
    this.dispatch.discard(channel);
    this.delivery.discard(channel);
  }

  #callBack(channel: Channel, now: number): void {
    if (channel.owesFinAcked) {
      channel.owesFinAcked = false;
      channel.handler.onFinAcked();
    }
    if (channel.owesDrain) {
      channel.owesDrain = false;
      if (channel.send.state === 'open' && !channel.isCongested) channel.handler.onDrain();
    }
    if (!channel.isPaused) this.delivery.pump(channel, now);
    this.removeIfDone(channel);
  }
}
