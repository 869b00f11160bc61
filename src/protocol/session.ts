import { assert } from '../core/assert.ts';
import type { Chunk } from '../core/chunk.ts';
import { ProtocolViolation, Reason, type ReasonName } from '../core/errors.ts';
import type { Budget } from '../data/budget.ts';
import { Channel, type ChannelHandler } from './channel.ts';
import { Channels } from './channels.ts';
import { FrameDecoder } from './decoder.ts';
import { Delivery } from './delivery.ts';
import {
  encodeOpen,
  encodeOpenOk,
  encodePing,
  encodeReason,
  encodeReset,
  FrameType,
} from './frame.ts';
import { Inbound } from './inbound.ts';
import { Lane, type LanePort } from './lane.ts';
import { ReceiveWindow } from './receive-window.ts';
import { keepAliveDeadline, leaveOpenLane, Recovery } from './recovery.ts';
import type { Scheduler } from './scheduler.ts';
import { Control, type Item } from './segment.ts';
import { Transmitter } from './transmitter.ts';
import { Writers } from './writers.ts';

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

/** Who listens to a session. Called from `handle...` and `deliver` only, never from a verb. */
export interface SessionHandler {
  /** The peer opens a channel: answer with `accept` or `refuse`. */
  onOpen(channel: Channel, target: Uint8Array): void;
  /** The session has no further use for the lane: end it. `peerShouldKnow`: not by the peer's wish. */
  onLaneDone(lane: Lane, reason: ReasonName): void;
  /** The peer accepts no more channels. */
  onGoAway(): void;
  /** The session is over; all channels have heard of it. */
  onClosed(reason: ReasonName, detail: string): void;
}

const TICK = 20;
/** The loop ran this late: the process was paused, and silences prove nothing. */
const LAG = 100;

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
  readonly lanes: Lane[] = [];
  readonly channels = new Channels();
  readonly delivery: Delivery;
  readonly transmitter: Transmitter;
  readonly #options: SessionOptions;
  readonly #handler: SessionHandler;
  readonly #window: ReceiveWindow;
  readonly #recovery: Recovery;
  readonly #inbound: Inbound;
  readonly #decoders = new Map<Lane, FrameDecoder>();
  readonly #writers: Writers;
  /** Channels whose handler is owed a call: resumed, drained, FIN acknowledged. */
  readonly #owed = new Set<Channel>();
  #tickDueAt: number | null = null;
  #closed: ReasonName | null = null;
  #isGoingAway = false;
  #isPeerGoingAway = false;
  // Counters of lanes that are gone.
  #pastSent = 0;
  #pastReceived = 0;

  constructor(options: SessionOptions, handler: SessionHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#window = new ReceiveWindow(options.sessionWindow);
    this.transmitter = new Transmitter(options.scheduler, this.#window, options.peerSessionWindow);
    this.delivery = new Delivery(this.#window, this.transmitter, options.initialWindow);
    this.#recovery = new Recovery(this.transmitter, {
      giveUp: (lane) => this.#endLane(lane, 'LANE_SILENT'),
      ping: (lane, now) => this.#ping(lane, now),
    });
    this.#inbound = new Inbound(this, options.role);
    this.#writers = new Writers(options.sendBudget, (channel) => {
      channel.owesDrain = true;
      this.#owed.add(channel);
    });
  }

  get isClosed(): boolean {
    return this.#closed !== null;
  }

  /** True when `open` makes sense. */
  get isOpen(): boolean {
    return this.#closed === null && !this.#isPeerGoingAway && this.channels.hasIds;
  }

  get sentBytes(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.sentBytes, this.#pastSent);
  }

  get receivedBytes(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.receivedBytes, this.#pastReceived);
  }

  /** The longest smoothed round trip of the lanes, ms. */
  get rtt(): number {
    return this.lanes.reduce((most, lane) => Math.max(most, lane.path.srtt), 0);
  }

  // Lanes.

  addLane(id: number, port: LanePort, now: number): Lane {
    const lane = new Lane(id, port, now);
    this.lanes.push(lane);
    this.#decoders.set(lane, new FrameDecoder(this.#inbound));
    return lane;
  }

  /** The lane is lost, or ended in good order: what it carried travels again. */
  removeLane(lane: Lane, now: number): void {
    const at = this.lanes.indexOf(lane);
    if (at < 0) return;
    this.lanes.splice(at, 1);
    this.#decoders.delete(lane);
    this.#pastSent += lane.sentBytes;
    this.#pastReceived += lane.receivedBytes;
    for (const item of lane.takeFlights()) {
      if (item.channel !== null) leaveOpenLane(item.channel, lane);
      if (item.carriers === 0) this.transmitter.requeue(item, now);
    }
  }

  /** Puts no new frames on the lane; `onLaneDone` follows when all is acknowledged. */
  drainLane(lane: Lane): void {
    if (lane.isDraining) return;
    lane.isDraining = true;
    this.#post(FrameType.LANE_CLOSE, lane.id, 'LANE_REMOVED');
  }

  /** Takes over bytes that arrived on the lane. Never throws for what a peer sends. */
  handleChunk(lane: Lane, chunk: Chunk, now: number): void {
    const decoder = this.#decoders.get(lane);
    if (decoder === undefined || this.#closed !== null) {
      chunk.release();
      return;
    }
    lane.onReceived(chunk.length, now);
    this.#inbound.begin(lane, now);
    try {
      decoder.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.#post(FrameType.SESSION_CLOSE, 0, error.reason);
      this.transmitter.transmit(this.lanes, now);
      this.end(error.reason, `lane ${lane.id}: ${error.message}`);
    }
  }

  handleTimeout(now: number): void {
    if (this.#tickDueAt === null || now < this.#tickDueAt) return;
    if (now - this.#tickDueAt > LAG) this.#recovery.onLag(this.lanes, now);
    this.#tickDueAt = null;
    this.#recovery.tick(this.lanes, this.#blocked(), now);
    for (const lane of this.lanes) {
      if (lane.isDraining && !lane.hasFlights) this.#endLane(lane, 'LANE_REMOVED');
    }
  }

  /** When `handleTimeout` or `transmit` has something to do, ms; infinite for never. */
  nextDeadline(now: number): number {
    if (this.#closed !== null || this.lanes.length === 0) {
      this.#tickDueAt = null;
      return Number.POSITIVE_INFINITY;
    }
    const isBusy = this.lanes.some((lane) => lane.hasFlights);
    const tick = isBusy ? now + TICK : keepAliveDeadline(this.lanes);
    this.#tickDueAt = Math.min(this.#tickDueAt ?? tick, tick);
    let deadline = this.#tickDueAt;
    for (const lane of this.lanes) {
      if (lane.ackDueAt !== null) deadline = Math.min(deadline, lane.ackDueAt);
    }
    return deadline;
  }

  /** Writes to the lanes what they have room for. */
  transmit(now: number): void {
    if (this.#closed !== null) return;
    this.transmitter.transmit(this.lanes, now);
    for (const channel of this.transmitter.takeShortened()) this.#writers.onShortened(channel);
    this.#writers.feedStarved();
  }

  /** Calls back those who are owed a call. */
  deliver(now: number): void {
    for (const channel of this.#owed) {
      this.#owed.delete(channel);
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
      this.#options.role === 'entry' && this.isOpen,
      'only an open entry session opens channels',
    );
    const id = this.channels.takeId();
    const channel = this.#newChannel(id, false);
    channel.handler = handler;
    const frame = encodeOpen(id, this.#options.initialWindow, target);
    this.transmitter.post(new Control('open', frame, channel));
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
    this.#post(FrameType.OPEN_FAIL, channel.id, reason, channel);
    this.removeIfDone(channel);
  }

  /** Takes over the chunk. The next `transmit` sends what it can; then ask `mustWait`. */
  write(channel: Channel, chunk: Chunk, now: number): void {
    const { send } = channel;
    if (channel.isReset || send.state !== 'open') {
      chunk.release();
      return;
    }
    send.push(chunk);
    this.transmitter.activate(channel, now);
    this.#writers.take(chunk.length);
  }

  /** True when the channel's writer must wait for `onDrain` before it writes more. */
  mustWait(channel: Channel): boolean {
    this.#writers.check(channel);
    return channel.isCongested;
  }

  /** Ends this direction after what was written. */
  finish(channel: Channel, now: number): void {
    if (channel.isReset || channel.send.state !== 'open') return;
    channel.send.state = 'fin-queued';
    this.transmitter.activate(channel, now);
  }

  /** RST: both directions end now; the handler hears nothing more. */
  reset(channel: Channel, reason: ReasonName): void {
    if (channel.isReset || channel.isDone) return;
    this.#sendReset(channel, reason);
    channel.detach();
    this.removeIfDone(channel);
  }

  /** Asks the peer to reset the channel, because its data is no longer wanted here. */
  stop(channel: Channel, reason: ReasonName): void {
    if (channel.isReset) return;
    this.#post(FrameType.STOP, channel.id, reason, channel);
    this.delivery.discard(channel);
  }

  pause(channel: Channel): void {
    channel.isPaused = true;
  }

  resume(channel: Channel): void {
    if (!channel.isPaused) return;
    channel.isPaused = false;
    this.#owed.add(channel);
  }

  /** Tells the peer to open no more channels. */
  goAway(): void {
    if (this.#isGoingAway || this.#closed !== null) return;
    this.#isGoingAway = true;
    this.#post(FrameType.GOAWAY, 0, 'SHUTDOWN');
  }

  /** Ends the session: the peer is told, all channels are reset. */
  close(reason: ReasonName, now: number): void {
    if (this.#closed !== null) return;
    this.#post(FrameType.SESSION_CLOSE, 0, reason);
    this.transmitter.transmit(this.lanes, now);
    this.end(reason, Reason[reason].text);
  }

  // What frames mean; called by Inbound.

  get options(): SessionOptions {
    return this.#options;
  }

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

  onLaneAck(lane: Lane, received: number, delay: number, now: number): void {
    const silence = lane.silence(now);
    const bytes = lane.onAck(received, delay, now, (item) => this.#onItemAcked(item));
    if (bytes > 0) this.#recovery.onAck(lane, bytes, silence, now);
  }

  onWindow(channel: Channel, limit: number, next: number, now: number): void {
    const { send } = channel;
    if (next > send.next) throw new ProtocolViolation('BAD_ACK', `channel ${channel.id}, ${next}`);
    send.limit = Math.max(send.limit, limit);
    this.#writers.give(send.onDelivered(next));
    this.transmitter.activate(channel, now);
  }

  onSessionWindow(limit: number, now: number): void {
    const wasBlocked = this.transmitter.isSessionBlocked;
    this.transmitter.sessionLimit = Math.max(this.transmitter.sessionLimit, limit);
    if (!wasBlocked) return;
    for (const channel of this.channels) this.transmitter.activate(channel, now);
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
    if (channel.isReset) return;
    const { handler } = channel;
    this.reset(channel, reason);
    handler.onReset(reason);
  }

  onGoAway(): void {
    this.#isPeerGoingAway = true;
    this.#handler.onGoAway();
  }

  /** The peer puts no new frames on the lane. */
  onLaneClose(id: number): void {
    const lane = this.lanes.find((candidate) => candidate.id === id);
    if (lane !== undefined) lane.isDraining = true;
  }

  onPing(lane: Lane, cookie: Uint8Array): void {
    lane.postUntracked(encodePing(FrameType.PONG, cookie));
  }

  removeIfDone(channel: Channel): void {
    if (!channel.isDone || channel.owesFinAcked) return;
    this.channels.remove(channel);
    this.delivery.forget(channel);
    this.transmitter.forget(channel);
    this.#owed.delete(channel);
  }

  // The rest.

  /** The session is over, without a word to the peer. */
  end(reason: ReasonName, detail: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const channel of [...this.channels]) {
      this.#abandon(channel);
      this.channels.remove(channel);
      const { handler } = channel;
      channel.detach();
      handler.onReset(reason === 'SHUTDOWN' ? 'GOING_AWAY' : reason);
    }
    for (const lane of this.lanes) lane.takeFlights();
    this.#owed.clear();
    this.#writers.clear();
    this.#handler.onClosed(reason, detail);
  }

  #newChannel(id: number, isKnown: boolean): Channel {
    const { initialWindow, peerInitialWindow } = this.#options;
    const channel = new Channel(id, {
      sendLimit: peerInitialWindow,
      receiveWindow: initialWindow,
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
    this.#writers.give(channel.send.discard());
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
    if (!channel.isPaused) this.delivery.pump(channel, this.rtt, now);
    this.removeIfDone(channel);
  }

  #onItemAcked(item: Item): void {
    if (item.kind === 'control') {
      item.isAcked = true;
      if (item.role === 'open') item.channel!.openLane = 'any';
      return;
    }
    const { channel } = item;
    this.#writers.give(channel.send.onAcked(item));
    if (item.fin && channel.send.state === 'done' && !channel.isReset) {
      channel.owesFinAcked = true;
      this.#owed.add(channel);
    }
  }

  /** Channels that wait for the peer: for its window, or for the last of what was sent. */
  *#blocked(): Iterable<Channel> {
    const isSessionBlocked = this.transmitter.isSessionBlocked;
    for (const channel of this.channels) {
      const { send } = channel;
      if (send.outstandingBytes === 0) continue;
      if (send.isBlocked || isSessionBlocked || !send.hasNew) yield channel;
    }
  }

  #ping(lane: Lane, now: number): void {
    const cookie = new Uint8Array(8);
    this.transmitter.carry(new Control('ping', encodePing(FrameType.PING, cookie)), lane, now);
  }

  #endLane(lane: Lane, reason: ReasonName): void {
    if (reason === 'LANE_SILENT' && this.lanes.length > 1)
      this.#post(FrameType.LANE_CLOSE, lane.id, reason);
    this.#handler.onLaneDone(lane, reason);
  }
}
