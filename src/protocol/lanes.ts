import type { ReasonName } from '../core/errors.ts';
import { Reason } from '../core/errors.ts';
import { ZERO } from '../core/zero.ts';
import type { Channel } from './channel.ts';
import { FrameDecoder, type FrameSink } from './decoder.ts';
import { encodePing, encodeReason, FrameType } from './frame.ts';
import { Lane, type LanePort } from './lane.ts';
import { keepAliveDeadline, Recovery } from './recovery.ts';
import { Control, type Item } from './segment.ts';
import type { Transmitter } from './transmitter.ts';

/** Lanes are looked at this often while they carry something, ms. */
const TICK = 20;
/** The loop ran this late: the process was paused, and silences prove nothing. */
const LAG = 100;

/** Who listens to the lanes. */
export interface LanesHandler {
  /** The session has no further use for the lane: end it. `reason`: why. */
  onLaneDone(lane: Lane, reason: ReasonName): void;
  /**
   * The lane has owed a sign of life for long; told again and again until it gives one or ends. Who
   * dials lanes should dial another in its place.
   */
  onLaneSilent?(lane: Lane): void;
}

/** The lanes of a session: added, drained, judged by the clock, and removed. */
export class Lanes {
  readonly all: Lane[] = [];
  readonly #transmitter: Transmitter;
  readonly #recovery: Recovery;
  readonly #handler: LanesHandler;
  readonly #decoders = new Map<Lane, FrameDecoder>();
  #tickDueAt: number | null = null;
  // Counters of lanes that are gone.
  #pastSent = ZERO;
  #pastReceived = ZERO;

  constructor(transmitter: Transmitter, handler: LanesHandler) {
    this.#transmitter = transmitter;
    this.#handler = handler;
    this.#recovery = new Recovery(transmitter, {
      giveUp: (lane) => this.#giveUp(lane),
      replace: (lane) => handler.onLaneSilent?.(lane),
      ping: (lane, now) => this.#ping(lane, now),
    });
  }

  get sentBytes(): number {
    return this.all.reduce((sum, lane) => sum + lane.sentBytes, this.#pastSent);
  }

  get receivedBytes(): number {
    return this.all.reduce((sum, lane) => sum + lane.receivedBytes, this.#pastReceived);
  }

  /** The longest smoothed round trip, ms. */
  get rtt(): number {
    return this.all.reduce((most, lane) => Math.max(most, lane.path.srtt), 0);
  }

  find(id: number): Lane | undefined {
    for (const lane of this.all) if (lane.id === id) return lane;
    return undefined;
  }

  /** What arrives on the lane, as frames; undefined once the lane is removed. */
  decoder(lane: Lane): FrameDecoder | undefined {
    return this.#decoders.get(lane);
  }

  add(id: number, port: LanePort, sink: FrameSink, now: number): Lane {
    const lane = new Lane(id, port, now);
    this.all.push(lane);
    this.#decoders.set(lane, new FrameDecoder(sink));
    // Its round trip should be known by the time that it is needed.
    this.#ping(lane, now);
    return lane;
  }

  /** What the lane carried travels again. */
  remove(lane: Lane, now: number): void {
    const at = this.all.indexOf(lane);
    if (at < 0) return;
    this.all.splice(at, 1);
    this.#decoders.delete(lane);
    this.#pastSent += lane.sentBytes;
    this.#pastReceived += lane.receivedBytes;
    // An acknowledgement of another lane may have been on it.
    for (const other of this.all) if (other.receivedBytes > 0) other.oweAck(now);
    for (const item of lane.takeFlights()) {
      if (item.channel !== null) this.#transmitter.leaveOpenLane(item.channel, lane);
      if (item.carriers === 0) this.#transmitter.requeue(item);
    }
  }

  /** Puts no new frames on the lane; it is done when all is acknowledged. */
  drain(lane: Lane): void {
    if (lane.isDraining || !this.all.includes(lane)) return;
    lane.isDraining = true;
    this.#tellClose(lane, 'LANE_REMOVED');
  }

  /** The peer puts no new frames on the lane, or has given it up already. */
  onClose(id: number, reason: ReasonName): void {
    const lane = this.find(id);
    if (lane === undefined) return;
    lane.isDraining = true;
    if (reason === 'LANE_SILENT') this.#handler.onLaneDone(lane, reason);
  }

  /** The session is over: nothing that the lanes carried matters. */
  clear(): void {
    for (const lane of this.all) lane.takeFlights();
    this.#tickDueAt = null;
  }

  /** The peer has received `received` bytes of the lane. @throws {ProtocolViolation} if it cannot have */
  onAck(
    lane: Lane,
    received: number,
    delay: number,
    now: number,
    onItem: (item: Item) => void,
  ): void {
    if (received > lane.ackedBytes) this.#recovery.beforeAck(lane, this.all, now);
    const silence = lane.silence(now);
    const bytes = lane.onAck(received, delay, now, onItem);
    if (bytes > 0) this.#recovery.onAck(lane, bytes, silence, now);
  }

  /** When `tick` is due, ms; infinite without lanes. */
  nextTick(now: number): number {
    if (this.all.length === 0) {
      this.#tickDueAt = null;
      return Number.POSITIVE_INFINITY;
    }
    const tick = isBusy(this.all) ? now + TICK : keepAliveDeadline(this.all);
    this.#tickDueAt = Math.min(this.#tickDueAt ?? tick, tick);
    return this.#tickDueAt;
  }

  /** When an acknowledgement has to leave, ms; infinite while none is owed, or no lane takes it. */
  nextAck(): number {
    let deadline = Number.POSITIVE_INFINITY;
    let isWritable = false;
    for (const lane of this.all) {
      isWritable ||= lane.port.writable;
      if (lane.owesAck) deadline = Math.min(deadline, lane.ackDueAt!);
    }
    // With no lane to take them, acknowledgements leave when one drains.
    return isWritable ? deadline : Number.POSITIVE_INFINITY;
  }

  /** Judges the lanes, if it is time to. `blocked`: channels that wait for the peer. */
  tick(blocked: Iterable<Channel>, now: number): void {
    if (this.#tickDueAt === null || now < this.#tickDueAt) return;
    if (now - this.#tickDueAt > LAG) this.#recovery.onLag(this.all, now);
    this.#tickDueAt = null;
    this.#recovery.tick(this.all, blocked, now);
    for (const lane of [...this.all]) {
      if (lane.isDraining && !lane.hasFlights) this.#handler.onLaneDone(lane, 'LANE_REMOVED');
    }
  }

  #giveUp(lane: Lane): void {
    if (this.all.length > 1) this.#tellClose(lane, 'LANE_SILENT');
    this.#handler.onLaneDone(lane, 'LANE_SILENT');
  }

  #tellClose(lane: Lane, reason: ReasonName): void {
    const frame = encodeReason(FrameType.LANE_CLOSE, lane.id, Reason[reason].code);
    this.#transmitter.post(new Control('other', frame));
  }

  #ping(lane: Lane, now: number): void {
    const cookie = new Uint8Array(8);
    this.#transmitter.carry(new Control('ping', encodePing(FrameType.PING, cookie)), lane, now);
  }
}

/** Not a private getter: V8 calls out of compiled code for those. */
function isBusy(lanes: readonly Lane[]): boolean {
  for (const lane of lanes) if (lane.inFlight > 0) return true;
  return false;
}
