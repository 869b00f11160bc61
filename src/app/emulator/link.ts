import { Chunk } from '../../core/chunk.ts';
import { Deque } from '../../data/deque.ts';
import type { Clock, Timer } from '../../loop/clock.ts';
import { LinkTime } from './link-time.ts';

/** What one direction of a path is like. */
export interface LinkParameters {
  /** Bytes per second of payload. Default: Infinity, no cap. */
  readonly rate?: number;
  /** One-way delay in ms, counted from the moment of departure. Default: 0. */
  readonly delay?: number;
  /**
   * Bytes that may wait for the rate. Default: 64 KiB, or 50 ms at the rate if that is more. Without
   * a cap nothing waits; then the bytes on the way are bounded instead, by default to 16 MiB.
   */
  readonly queue?: number;
}

/** What passes a link besides bytes, in order with them. */
export type Mark = 'syn' | 'fin' | 'rst';

/** None of these is called from inside a call of the link. */
export interface LinkHandler {
  /** The chunk has come through; it now belongs to the handler. */
  onArrival(chunk: Chunk): void;
  onMark(mark: Mark): void;
  /** The link is no longer congested. */
  onRoom(): void;
}

/**
 * One direction of a path: a shaper with a FIFO queue, then a delay.
 *
 *     push() --> [ queue, `queue` bytes ] --at the rate--> [ on the way, `delay` ms ] --> onArrival()
 *
 * Times of departure follow from sizes and the rate alone (the later of now and the departure before,
 * plus size / rate), so a timer that fires late bends single arrivals but never the rate. If it fires
 * so late that the queue has run dry, the bytes that follow at once must have waited for room, and
 * count as if there had been no lateness. Bytes go in pieces of a millisecond each, yet not smaller
 * than a full TCP segment, much as packets would.
 *
 * A link that is held stands still in time: nothing departs or arrives, and whatever was due later
 * is due later still by the length of the hold. It takes bytes until it is congested.
 */
export class Link {
  readonly #clock: Clock;
  readonly #handler: LinkHandler;
  readonly #tick: number;
  /** Bytes per ms. */
  #rate: number;
  readonly #delay: number;
  readonly #queueLimit: number | undefined;

  /** Waiting, except for the first, which is being sent and has left at `#firstLeaves`. */
  readonly #queue = new Deque<Chunk | Mark>();
  #queuedBytes = 0;
  #firstLeaves = 0;
  #lastLeft = 0;
  /** In ascending order of arrival. */
  readonly #onTheWay = new Deque<{ readonly item: Chunk | Mark; readonly arrives: number }>();
  #onTheWayBytes = 0;
  #lastArrives = 0;
  #arrivedBytes = 0;
  #congested = false;
  #roomToldAt = Number.NEGATIVE_INFINITY;

  readonly #time: LinkTime;
  #timer: Timer | null = null;
  #timerDue = 0;

  /**
   * `tick`: the lateness of the clock's timers in ms. What is due within a tick counts as due, so that
   * errors fall to both sides of nought.
   */
  constructor(clock: Clock, parameters: LinkParameters, handler: LinkHandler, tick = 0) {
    this.#clock = clock;
    this.#time = new LinkTime(clock);
    this.#tick = tick;
    this.#handler = handler;
    this.#rate = checkedRate(parameters.rate ?? UNCAPPED) / 1000;
    this.#delay = checkedDelay(parameters.delay ?? 0);
    this.#queueLimit = parameters.queue;
  }

  /** From the moment when the queue is full until it is half empty: the source should pause. */
  get congested(): boolean {
    return this.#congested;
  }

  /** Bytes that have come through. */
  get arrivedBytes(): number {
    return this.#arrivedBytes;
  }

  /** Takes the chunk, congested or not. */
  push(chunk: Chunk): void {
    const most = Math.max(MIN_PIECE, Math.ceil(this.#rate * PIECE_TIME));
    if (chunk.length <= most) {
      this.#enqueue(chunk);
    } else {
      for (let start = 0; start < chunk.length; start += most) {
        this.#enqueue(chunk.slice(start, Math.min(start + most, chunk.length)));
      }
      chunk.release();
    }
    this.#advance();
    if (this.#waitingBytes >= this.#limit) this.#congested = true;
    this.#arm();
  }

  /** Sends a mark behind all that was pushed. */
  mark(mark: Mark): void {
    this.#enqueue(mark);
    this.#arm();
  }

  /** Bytes per second from now on, for what is queued too. */
  setRate(rate: number): void {
    this.#advance();
    const before = this.#rate;
    this.#rate = checkedRate(rate) / 1000;
    const first = this.#queue.first;
    if (first !== undefined) {
      const now = Math.max(this.#time.now(), this.#lastLeft);
      const unsent = before === UNCAPPED ? sizeOf(first) : (this.#firstLeaves - now) * before;
      this.#firstLeaves = now + unsent / this.#rate;
    }
    this.#arm();
  }

  /** Stops the link until `release(reason)`; it moves again when no reason is left. */
  hold(reason: string): void {
    this.#advance();
    this.#time.hold(reason);
    this.#arm();
  }

  release(reason: string): void {
    this.#time.release(reason);
    this.#arm();
  }

  /** Throws away all that is queued or on the way. */
  clear(): void {
    for (const item of this.#queue) if (item instanceof Chunk) item.release();
    for (const { item } of this.#onTheWay) if (item instanceof Chunk) item.release();
    this.#queue.clear();
    this.#onTheWay.clear();
    this.#queuedBytes = 0;
    this.#onTheWayBytes = 0;
    this.#congested = false;
    this.#arm();
  }

  get #limit(): number {
    const isUncapped = this.#rate === UNCAPPED;
    return this.#queueLimit ?? (isUncapped ? 16 << 20 : Math.max(64 << 10, this.#rate * 50));
  }

  get #waitingBytes(): number {
    return this.#queuedBytes + (this.#rate === UNCAPPED ? this.#onTheWayBytes : 0);
  }

  #enqueue(item: Chunk | Mark): void {
    this.#advance();
    if (this.#queue.length === 0) {
      const now = this.#time.now();
      const hasWaited =
        now - this.#roomToldAt <= Math.min(READING_TIME, this.#limit / 2 / this.#rate);
      const starts = hasWaited ? this.#lastLeft : Math.max(now, this.#lastLeft);
      this.#firstLeaves = starts + this.#sendingTime(item);
    }
    this.#queue.push(item);
    this.#queuedBytes += sizeOf(item);
  }

  /** Moves what has left by now from the queue to the way. */
  #advance(): void {
    if (this.#time.isHeld) return;
    const due = this.#time.now() + this.#tick + ROUNDING;
    while (this.#queue.length > 0 && this.#firstLeaves <= due) {
      const item = this.#queue.shift()!;
      this.#queuedBytes -= sizeOf(item);
      this.#onTheWayBytes += sizeOf(item);
      this.#lastArrives = Math.max(this.#lastArrives, this.#firstLeaves + this.#delay);
      this.#onTheWay.push({ item, arrives: this.#lastArrives });
      this.#lastLeft = this.#firstLeaves;
      const next = this.#queue.first;
      if (next !== undefined) this.#firstLeaves += this.#sendingTime(next);
    }
  }

  #sendingTime(item: Chunk | Mark): number {
    return sizeOf(item) / this.#rate;
  }

  #wake(): void {
    this.#timer = null;
    this.#advance();
    const now = this.#time.now();
    const due = now + this.#tick + ROUNDING;
    while (
      !this.#time.isHeld &&
      this.#onTheWay.length > 0 &&
      this.#onTheWay.first!.arrives <= due
    ) {
      const { item } = this.#onTheWay.shift()!;
      this.#onTheWayBytes -= sizeOf(item);
      this.#arrivedBytes += sizeOf(item);
      if (item instanceof Chunk) this.#handler.onArrival(item);
      else this.#handler.onMark(item);
    }
    if (this.#congested && this.#waitingBytes <= this.#limit / 2) {
      this.#congested = false;
      this.#roomToldAt = now;
      this.#handler.onRoom();
    }
    this.#arm();
  }

  /** Keeps the one timer at the next thing that happens by itself. */
  #arm(): void {
    const event = this.#time.isHeld ? undefined : this.#nextEvent();
    const due = event === undefined ? undefined : this.#time.onClock(event);
    if (this.#timer !== null && due === this.#timerDue) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (due === undefined) return;
    this.#timerDue = due;
    const isDue = due - this.#tick <= this.#clock.now();
    this.#timer = isDue ? this.#soon() : this.#clock.at(due - this.#tick, () => this.#wake());
  }

  #soon(): Timer {
    let isCancelled = false;
    this.#clock.soon(() => {
      if (!isCancelled) this.#wake();
    });
    return {
      cancel: () => {
        isCancelled = true;
      },
    };
  }

  #nextEvent(): number | undefined {
    const arrives = this.#onTheWay.first?.arrives;
    if (this.#queue.length === 0) return arrives;
    const leaves = this.#firstLeaves + (this.#congested ? 0 : this.#delay);
    return arrives === undefined ? leaves : Math.min(arrives, leaves);
  }
}

function sizeOf(item: Chunk | Mark): number {
  return item instanceof Chunk ? item.length : 0;
}

function checkedRate(rate: number): number {
  if (!(rate > 0)) throw new RangeError(`a rate must be above 0 bytes per second: ${rate}`);
  return rate;
}

function checkedDelay(delay: number): number {
  if (!(delay >= 0 && delay < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`a delay must be 0 ms or more: ${delay}`);
  }
  return delay;
}

/** ms that sums of times may be off: without it a timer could fire a hair early for ever. */
const ROUNDING = 1e-6;
/** ms after `onRoom` in which bytes that had to wait for it are pushed. */
const READING_TIME = 20;
const UNCAPPED = Number.POSITIVE_INFINITY;
/** Bytes of a full TCP segment on Ethernet. */
const MIN_PIECE = 1448;
/** ms of sending that one piece may take. */
const PIECE_TIME = 1;
