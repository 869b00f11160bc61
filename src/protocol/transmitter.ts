import { ZERO } from '../core/zero.ts';
import { Deque } from '../data/deque.ts';
import { OnceQueue } from '../data/once-queue.ts';
import { repeatAcks, sendAcks } from './acks.ts';
import { type Channel, ChannelQueue } from './channel.ts';
import { sendData } from './data-frame.ts';
import { Express } from './express.ts';
import { encodeSessionWindow, encodeWindow, HEADER_BYTES } from './frame.ts';
import type { Lane } from './lane.ts';
import type { ReceiveWindow } from './receive-window.ts';
import { bestLane, hasRoom, isOpen, type Scheduler } from './scheduler.ts';
import { Control, type Item, type Segment } from './segment.ts';

/** What a bulk channel may send before the next one's turn, at least. */
const QUANTUM = 16 * 1024;
/** Ranges to be sent again that are passed over, per turn, for want of a lane. */
const AGAIN_SKIPS = 16;

/**
 * What leaves a session, and in which order:
 *
 *   1. control frames      OPEN, RESET, WINDOW...: few, small, absolute
 *   2. ranges sent again   those of lost lanes, interactive ones first
 *   3. interactive data    channels that send little
 *   4. bulk data           by deficit round robin
 *   5. acknowledgements    with the above where they can
 */
export class Transmitter {
  /** The sum of offsets that the peer's session window allows. */
  sessionLimit: number;
  /** The sum of offsets sent so far. */
  sessionSent = ZERO;
  resentBytes = ZERO;
  payloadBytes = ZERO;
  readonly #scheduler: Scheduler;
  readonly #express = new Express();
  readonly #controls = new Deque<Control>();
  readonly #urgent = new Deque<Segment>();
  readonly #again = new Deque<Segment>();
  readonly #sparse = new Deque<Channel>();
  readonly #bulk = new Deque<Channel>();
  readonly #dirtyWindows = new OnceQueue<Channel>(ChannelQueue.windows);
  /** Channels whose writers wait and whose queues have just become shorter. */
  readonly #shortened = new OnceQueue<Channel>(ChannelQueue.shortened);
  readonly #sessionWindow: ReceiveWindow;
  #isSessionWindowDirty = false;

  /** `sessionWindow` is this end's; `sessionLimit` is what the peer's allows at first. */
  constructor(scheduler: Scheduler, sessionWindow: ReceiveWindow, sessionLimit: number) {
    this.#scheduler = scheduler;
    this.#sessionWindow = sessionWindow;
    this.sessionLimit = ZERO + sessionLimit;
  }

  get queuedControls(): number {
    return this.#controls.length;
  }

  /** Sends the frame once a lane takes it, and again until one acknowledges it. */
  post(control: Control): void {
    if (control.isQueued || control.isAcked) return;
    control.isQueued = true;
    // What comes for a channel before its OPEN would be for nobody.
    if (control.role === 'open') this.#controls.unshift(control);
    else this.#controls.push(control);
  }

  /** The channel's window is to be told (again). */
  postWindow(channel: Channel): void {
    this.#dirtyWindows.push(channel);
  }

  postSessionWindow(): void {
    this.#isSessionWindowDirty = true;
  }

  /** Channels whose bulk waits for a lane, or for its turn. */
  get backlog(): number {
    return this.#bulk.length;
  }

  get isSessionBlocked(): boolean {
    return this.sessionSent >= this.sessionLimit;
  }

  /** The channel may have something new to send. */
  activate(channel: Channel, now: number): void {
    if (channel.isActive || !channel.send.hasNew) return;
    channel.isActive = true;
    if (channel.send.isSparse(now)) this.#sparse.push(channel);
    else this.#bulk.push(channel);
  }

  /** An item's lane is gone or not to be trusted: it must travel again. */
  requeue(item: Item): void {
    if (item.isAcked || item.isQueued) return;
    if (item.kind === 'control') {
      this.#requeueControl(item);
      return;
    }
    if (item.parts !== null || item.channel.isReset) return;
    item.isQueued = true;
    if (item.isSparse) this.#urgent.push(item);
    else this.#again.push(item);
  }

  /**
   * A channel whose OPEN went by a lane that is doubtful, or gone, travels anew on another, OPEN first. An
   * older copy on a third lane is no reason to wait: that one was doubtful before.
   */
  leaveOpenLane(channel: Channel, lane: Lane): void {
    if (channel.openLane !== lane) return;
    channel.openLane = null;
    if (channel.opening !== null) this.requeue(channel.opening);
  }

  forget(channel: Channel): void {
    this.#dirtyWindows.delete(channel);
    this.#shortened.delete(channel);
  }

  /** The next of the channels with waiting writers that have sent something since they were last taken. */
  takeShortened(): Channel | undefined {
    return this.#shortened.shift();
  }

  /** Sends what the lanes have room for. @returns true while something waits for room */
  transmit(lanes: readonly Lane[], now: number): boolean {
    const isBulk = this.#bulk.length + this.#again.length + this.#urgent.length > 0;
    if (isBulk) this.#express.update(lanes, now);
    const isWaiting = this.#transmitAll(lanes, now);
    for (const lane of lanes) {
      const { path } = lane;
      const isFull = isWaiting && isFullBySelf(lane);
      if (isFull || path.isFull) path.setFull(isFull, now);
      if (lane.hasOutbox) lane.flush();
    }
    return isWaiting;
  }

  /** Sends the last frame of the session, behind all else: a peer reads nothing after it, on no lane. */
  conclude(last: Control, lanes: readonly Lane[], now: number): void {
    this.transmit(lanes, now);
    const lane = bestLane(lanes, HEADER_BYTES, now);
    if (lane === null) return;
    repeatAcks(lanes, lane, now);
    this.carry(last, lane, now);
    lane.flush();
  }

  #transmitAll(lanes: readonly Lane[], now: number): boolean {
    if (!this.#sendControls(lanes, now)) return true;
    let isWaiting = false;
    if (this.#urgent.length > 0) isWaiting = !this.#sendAgain(this.#urgent, lanes, now);
    if (this.#again.length > 0) isWaiting = !this.#sendAgain(this.#again, lanes, now) || isWaiting;
    if (this.#sparse.length > 0) isWaiting = !this.#sendSparse(lanes, now) || isWaiting;
    if (this.#bulk.length > 0) isWaiting = !this.#sendBulk(lanes, now) || isWaiting;
    sendAcks(lanes, now);
    return isWaiting;
  }

  #sendControls(lanes: readonly Lane[], now: number): boolean {
    if (
      this.#controls.length === 0 &&
      this.#dirtyWindows.size === 0 &&
      !this.#isSessionWindowDirty
    ) {
      return true;
    }
    const lane = bestLane(lanes, HEADER_BYTES, now);
    if (lane === null) return false;
    for (;;) {
      const control = this.#controls.shift();
      if (control === undefined) break;
      control.isQueued = false;
      if (!control.isAcked) this.#sendControl(control, lane, now);
    }
    this.#sendWindows(lane, now);
    return true;
  }

  #sendWindows(best: Lane, now: number): void {
    if (this.#isSessionWindowDirty) {
      const frame = encodeSessionWindow(this.#sessionWindow.advance());
      this.#isSessionWindowDirty = false;
      this.carry(new Control('session-window', frame), best, now);
    }
    for (let count = this.#dirtyWindows.size; count > 0; count -= 1) {
      const channel = this.#dirtyWindows.shift()!;
      const { openLane, receive, id } = channel;
      if (openLane === null) {
        // A window must not overtake the OPEN that makes its channel known.
        this.#dirtyWindows.push(channel);
        continue;
      }
      const frame = encodeWindow(id, receive.window.advance(), receive.next);
      this.carry(new Control('window', frame, channel), openLane === 'any' ? best : openLane, now);
    }
  }

  #sendControl(control: Control, best: Lane, now: number): void {
    let lane = best;
    const channel = control.channel;
    if (channel !== null) {
      if (control.role === 'open' && channel.openLane !== 'any') channel.openLane = best;
      else if (channel.openLane !== null && channel.openLane !== 'any') lane = channel.openLane;
    }
    this.carry(control, lane, now);
  }

  /** Sends the control frame on this lane and no other. */
  carry(control: Control, lane: Lane, now: number): void {
    lane.track(control, control.frame.length, now);
    lane.post(control.frame);
  }

  #requeueControl(control: Control): void {
    const channel = control.channel;
    if (control.role === 'ping') return;
    if (control.role === 'window') {
      if (channel !== null && !channel.isReset) this.postWindow(channel);
    } else if (control.role === 'session-window') {
      this.postSessionWindow();
    } else if (control.role !== 'open' || channel?.openLane !== 'any') {
      this.post(control);
    }
  }

  /** @returns true when nothing is left */
  #sendAgain(queue: Deque<Segment>, lanes: readonly Lane[], now: number): boolean {
    let skipped = 0;
    while (skipped < Math.min(queue.length, AGAIN_SKIPS)) {
      const segment = queue.shift()!;
      segment.isQueued = false;
      if (segment.isAcked || segment.parts !== null || segment.channel.isReset) continue;
      const lane = this.#laneForAgain(segment, lanes, now);
      if (lane === null) {
        // The next may be in better luck, with an OPEN or an original on another lane.
        segment.isQueued = true;
        queue.push(segment);
        skipped += 1;
        continue;
      }
      const piece = this.#fit(segment, lane, queue);
      this.resentBytes += piece.length;
      this.send(piece, lane, now);
    }
    return queue.length === 0;
  }

  #laneForAgain(segment: Segment, lanes: readonly Lane[], now: number): Lane | null {
    const demand = {
      isSparse: segment.isSparse,
      freeWindow: Number.POSITIVE_INFINITY,
      left: segment.length,
      sharers: 1,
    };
    const others = lanes.filter((lane) => lane !== segment.lane);
    return this.#laneFor(segment.channel, others, demand, now);
  }

  /** The part of the segment that suits the lane; the rest goes back to the head of the queue. */
  #fit(segment: Segment, lane: Lane, queue: Deque<Segment>): Segment {
    const chunk = lane.path.chunk;
    if (segment.length <= 2 * chunk) return segment;
    const [head, tail] = segment.split(chunk);
    tail.isQueued = true;
    queue.unshift(tail);
    return head;
  }

  #sendSparse(lanes: readonly Lane[], now: number): boolean {
    for (let turns = this.#sparse.length; turns > 0; turns -= 1) {
      const channel = this.#sparse.shift()!;
      channel.isActive = false;
      const { send } = channel;
      let isFull = false;
      while (this.#canSend(channel) && send.isSparse(now)) {
        const demand = { isSparse: true, freeWindow: 0, left: 0, sharers: 1 };
        const lane = this.#laneFor(channel, lanes, demand, now);
        if (lane === null) {
          isFull = true;
          break;
        }
        this.#sendNew(channel, lane, true, now);
        this.#express.note(now);
      }
      if (isFull) {
        channel.isActive = true;
        this.#sparse.push(channel);
      } else if (this.#canSend(channel)) {
        channel.isActive = true;
        this.#bulk.push(channel);
      }
    }
    return this.#sparse.length === 0;
  }

  /** Deficit round robin (Shreedhar and Varghese, SIGCOMM 1995), in frames that suit the lane. */
  #sendBulk(lanes: readonly Lane[], now: number): boolean {
    let skipped = 0;
    while (skipped < this.#bulk.length) {
      const channel = this.#bulk.first!;
      const { send } = channel;
      if (!this.#canSend(channel)) {
        // It comes back with a write or a wider window.
        this.#bulk.shift();
        channel.isActive = false;
        continue;
      }
      const left = send.state === 'fin-queued' ? send.queuedBytes : Number.POSITIVE_INFINITY;
      const sharers = this.#bulk.length;
      const demand = { isSparse: false, freeWindow: send.credit, left, sharers };
      const lane = this.#laneFor(channel, lanes, demand, now);
      if (lane === null) {
        if (!lanes.some((each) => this.#takesBulk(each))) return false;
        // The next channel may be in better luck: a wider window, another lane for its OPEN.
        this.#bulk.push(this.#bulk.shift()!);
        skipped += 1;
        if (skipped > 16) return false;
        continue;
      }
      skipped = 0;
      if (send.deficit <= 0) send.deficit += Math.max(QUANTUM, lane.path.chunk);
      send.deficit -= this.#sendNew(channel, lane, false, now);
      if (send.deficit <= 0) this.#bulk.push(this.#bulk.shift()!);
    }
    return this.#bulk.length === 0;
  }

  #takesBulk(lane: Lane): boolean {
    return isOpen(lane) && (!this.#scheduler.usesCap || hasRoom(lane, false));
  }

  /** True when windows and the number of its frames let the channel send something new now. */
  #canSend(channel: Channel): boolean {
    const { send } = channel;
    if (!send.hasNew) return false;
    if (send.queuedBytes === 0) return true;
    return send.credit > 0 && !send.isFragmented && !this.isSessionBlocked;
  }

  #sendNew(channel: Channel, lane: Lane, isSparse: boolean, now: number): number {
    const { send } = channel;
    const room = Math.min(send.credit, this.sessionLimit - this.sessionSent);
    const segment = send.take(lane.path.chunk, room, now);
    segment.isSparse = isSparse;
    this.sessionSent += segment.length;
    this.payloadBytes += segment.length;
    if (channel.isCongested) this.#shortened.push(channel);
    this.send(segment, lane, now);
    return segment.length;
  }

  #laneFor(
    channel: Channel,
    lanes: readonly Lane[],
    demand: Parameters<Scheduler['pick']>[1],
    now: number,
  ): Lane | null {
    const { openLane } = channel;
    if (openLane === 'any') return this.#scheduler.pick(lanes, demand, now);
    if (openLane === null || !openLane.port.writable) return null;
    return !this.#scheduler.usesCap || hasRoom(openLane, demand.isSparse) ? openLane : null;
  }

  /** Puts the segment on the lane, for the first time or again. */
  send(segment: Segment, lane: Lane, now: number): void {
    sendData(segment, lane, now);
  }
}

/** True if the lane takes no more bulk, and that is because of its route. */
function isFullBySelf(lane: Lane): boolean {
  if (lane.isPaced || lane.path.isProbing) return false;
  return !lane.port.writable || !hasRoom(lane, false);
}
