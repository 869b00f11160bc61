import { copyOf } from '../core/bytes.ts';
import type { Chunk } from '../core/chunk.ts';
import { ProtocolViolation, type ReasonName, reasonName } from '../core/errors.ts';
import { ZERO } from '../core/zero.ts';
import { RateGuard } from '../data/rate-guard.ts';
import type { Channel } from './channel.ts';
import type { FrameSink } from './decoder.ts';
import { type ControlFrame, encodePing, FrameType, readU16, readU32, readU48 } from './frame.ts';
import type { Lane } from './lane.ts';
import type { Session } from './session.ts';

/** What an honest peer never comes near, per 10 s. */
const PERIOD = 10_000;
const MOST_PINGS = 1_000;
const MOST_RESETS = 100_000;
/** Beyond twice what it may: channels that were refused and not reset, frames that wait to be said. */
const SLACK_CHANNELS = 1_024;
const SLACK_CONTROLS = 4_096;

/**
 * What the frames of a lane mean to the session.
 *
 * Every frame is idempotent: it may come twice, late, or on another lane. Frames for a channel that
 * is gone are dropped; frames for one that never was are an error, because DATA never overtakes OPEN.
 */
export class Inbound implements FrameSink {
  readonly #session: Session;
  readonly #role: 'entry' | 'exit';
  readonly #pings = new RateGuard(MOST_PINGS, PERIOD);
  readonly #resets = new RateGuard(MOST_RESETS, PERIOD);
  #lane: Lane | null = null;
  #now = ZERO;

  constructor(session: Session, role: 'entry' | 'exit') {
    this.#session = session;
    this.#role = role;
  }

  /** What follows arrived on `lane` at `now`. */
  begin(lane: Lane, now: number): void {
    this.#lane = lane;
    this.#now = now;
  }

  onDataHeader(id: number, offset: number, length: number, fin: boolean): void {
    if (this.#session.isClosed) return;
    const channel = this.#find(id);
    const lane = this.#lane!;
    lane.lastPayloadBytes = length;
    lane.oweAck(this.#now);
    this.#noteData();
    if (channel === null) return;
    channel.openLane = 'any';
    this.#session.delivery.announce(channel, offset, length, fin);
    if (length === 0) this.#progress(channel);
  }

  onDataPiece(id: number, offset: number, piece: Chunk): void {
    const channel = this.#session.channels.get(id);
    this.#lane!.oweAck(this.#now);
    this.#noteData();
    if (channel === undefined) {
      piece.release();
      return;
    }
    this.#session.delivery.insert(channel, offset, piece, this.#now);
    this.#session.removeIfDone(channel);
  }

  onFrame(frame: ControlFrame): void {
    const { type, id, body } = frame;
    const lane = this.#lane!;
    const session = this.#session;
    // What stands behind the end of a session, in the same chunk, comes too late.
    if (session.isClosed) return;
    switch (type) {
      case FrameType.PAD:
      case FrameType.PONG:
        return;
      case FrameType.LANE_ACK:
        session.onLaneAck(id, readU48(body, 0), readU16(body, 6) / 10, this.#now);
        return;
    }
    lane.oweAck(this.#now);
    switch (type) {
      case FrameType.PING:
        this.#guard(this.#pings, 'PING');
        // A lane that takes nothing owes no sign of life: its peer does not read.
        if (lane.port.writable) lane.postUntracked(encodePing(FrameType.PONG, body));
        return;
      case FrameType.LANE_CLOSE:
        session.onLaneClose(id, reasonName(readU16(body, 0)));
        return;
      case FrameType.SESSION_WINDOW:
        session.dispatch.onSessionWindow(readU48(body, 0), session.channels, this.#now);
        return;
      case FrameType.GOAWAY:
        session.onGoAway();
        return;
      case FrameType.SESSION_CLOSE:
        session.end(reasonName(readU16(body, 0)), 'the peer has closed the session');
        return;
      case FrameType.OPEN:
        this.#onOpen(id, readU32(body, 0), copyOf(body.subarray(4)));
        return;
      default:
        this.#onChannelFrame(type, id, body);
    }
  }

  /** Only an entry dials lanes, so only an entry has to ask after them. */
  #noteData(): void {
    if (this.#role === 'entry') this.#lane!.lastDataAt = this.#now;
  }

  #onOpen(id: number, window: number, target: Uint8Array): void {
    const { channels, options, isGoingAway } = this.#session;
    if (this.#role === 'entry') throw new ProtocolViolation('BAD_CHANNEL', 'OPEN from an exit');
    if (channels.wasUsed(id)) return;
    channels.use(id);
    if (channels.active >= 2 * options.maxChannels + SLACK_CHANNELS) {
      throw new ProtocolViolation('FLOOD', `OPEN beyond ${channels.active} channels`);
    }
    this.#guardAnswers();
    let refusal: ReasonName | null = null;
    if (isGoingAway) refusal = 'GOING_AWAY';
    else if (channels.active >= options.maxChannels) refusal = 'BUSY';
    this.#session.onOpen(id, window, target, refusal);
  }

  /** The peer's end has reached its target. */
  #onOpened(channel: Channel): void {
    if (channel.isReset || channel.isOpened) return;
    channel.isOpened = true;
    channel.handler.onOpened();
  }

  #onChannelFrame(type: number, id: number, body: Uint8Array): void {
    const channel = this.#find(id);
    if (channel === null) return;
    channel.openLane = 'any';
    const session = this.#session;
    switch (type) {
      case FrameType.WINDOW:
        session.dispatch.onWindow(channel, readU48(body, 0), readU48(body, 6), this.#now);
        return;
      case FrameType.OPEN_OK:
        session.dispatch.onWindow(channel, readU48(body, 0), 0, this.#now);
        this.#onOpened(channel);
        return;
      case FrameType.OPEN_FAIL:
        session.onPeerReset(channel, reasonName(readU16(body, 0)), 0);
        return;
      case FrameType.RESET:
        this.#guard(this.#resets, 'RESET');
        this.#guardAnswers();
        session.onPeerReset(channel, reasonName(readU16(body, 0)), readU48(body, 2));
        return;
      case FrameType.STOP:
        session.onStop(channel, reasonName(readU16(body, 0)));
        return;
    }
  }

  #progress(channel: Channel): void {
    this.#session.delivery.pump(channel, this.#now);
    this.#session.removeIfDone(channel);
  }

  /** The channel, or null if it is gone. */
  #find(id: number): Channel | null {
    const { channels } = this.#session;
    const channel = channels.get(id);
    if (channel !== undefined) return channel;
    if (channels.wasUsed(id)) return null;
    throw new ProtocolViolation('BAD_CHANNEL', `id ${id} was never opened`);
  }

  /** A peer that asks and does not listen must not make us keep the answers. */
  #guardAnswers(): void {
    const { transmitter, options } = this.#session;
    if (transmitter.queuedControls < 2 * options.maxChannels + SLACK_CONTROLS) return;
    throw new ProtocolViolation('FLOOD', `${transmitter.queuedControls} answers wait for a lane`);
  }

  #guard(guard: RateGuard, what: string): void {
    if (!guard.allow(this.#now)) throw new ProtocolViolation('FLOOD', `too many ${what} frames`);
  }
}
