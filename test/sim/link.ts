import { assert } from '../../src/core/assert.ts';
import type { Chunk } from '../../src/core/chunk.ts';
import { Deque } from '../../src/data/deque.ts';
import type { VirtualClock } from '../../src/loop/virtual-clock.ts';
import type { Memory } from './memory.ts';
import type { Random } from './random.ts';

/** One direction of a lane's route. Bytes and ms. */
export interface LinkParameters {
  /** Bytes per ms. */
  readonly rate: number;
  readonly delay: number;
  /** Bytes that kernel and shaper hold ahead of the bottleneck before the sender must wait. */
  readonly buffer: number;
  /** The most bytes that travel and arrive together. */
  readonly piece: number;
  /** Pieces of any length, down to a single byte. */
  readonly isRagged?: boolean;
  /** A policer instead of a shaper: a token bucket of this depth, whose overflow is lost. */
  readonly policer?: { readonly depth: number };
  /** Share of segments that are lost on the way. */
  readonly loss?: number;
}

/** None of these is called from inside a call of the link. */
export interface LinkHandler {
  /** Bytes have left the buffer. */
  onRoom(): void;
  onArrival(chunk: Chunk): void;
  onMark(mark: Mark): void;
}

/** What travels besides bytes, in order with them. */
export type Mark = 'fin' | 'rst';

/**
 * One direction of a lane: what TCP makes of its route. It loses nothing, so a lost segment shows
 * as a hole that holds up all that is behind it, until its repair lets everything through at once.
 *
 *     push() --> [ buffer ] --at the rate--> [ on the way, `delay` ms ] -- holes --> onArrival()
 *
 * It begins with slow start. A policer lets a sender run ahead (TCP probes a quarter above the rate) while tokens last; then
 * it drops, and the repair takes an RTO more often than not, because it is dropped, too.
 */
export class Link {
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #memory: Memory;
  readonly #parameters: LinkParameters;
  readonly #handler: LinkHandler;
  #rate: number;
  readonly #queue = new Deque<Chunk>();
  /** Bytes of the first chunk that have left. */
  #taken = 0;
  #queuedBytes = 0;
  #isServing = false;
  #finQueued = false;
  readonly #line = new Deque<{ readonly item: Chunk | Mark; readonly at: number }>();
  #isLineArmed = false;
  #isHeld = false;
  #isCut = false;
  #tokens: number;
  #tokensAt = 0;
  #holeUntil = 0;
  /** What TCP dares to have under way: slow start, again after an idle spell. */
  #congestionWindow = INITIAL_WINDOW;
  #departedAt = 0;
  arrivedBytes = 0;

  constructor(
    clock: VirtualClock,
    random: Random,
    memory: Memory,
    parameters: LinkParameters,
    handler: LinkHandler,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#memory = memory;
    this.#parameters = parameters;
    this.#handler = handler;
    this.#rate = parameters.rate;
    this.#tokens = parameters.policer?.depth ?? 0;
  }

  /** Bytes ahead of the bottleneck. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get isFull(): boolean {
    return this.#queuedBytes >= this.#parameters.buffer;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  push(chunk: Chunk): void {
    assert(!this.#finQueued, 'nothing is sent behind a FIN');
    if (this.#isCut) {
      chunk.release();
      return;
    }
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    this.#serve();
  }

  finish(): void {
    this.#finQueued = true;
    this.#serve();
  }

  /** What has not left is thrown away; an RST follows what has. */
  abort(): void {
    this.#dropQueue();
    this.#pass('rst', this.#clock.now() + this.#parameters.delay);
  }

  /** Nothing moves any more, nor arrives. */
  cut(): void {
    this.#isCut = true;
    this.#dropQueue();
    for (const { item } of this.#line) if (typeof item !== 'string') item.release();
    this.#line.clear();
  }

  /** Bytes per ms from now on. */
  setRate(rate: number): void {
    this.#rate = rate;
  }

  get rate(): number {
    return this.#rate;
  }

  /** The route takes bytes and delivers none, until `release`. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#armLine();
    this.#serve();
  }

  #serve(): void {
    if (this.#isServing || this.#isHeld || this.#isCut) return;
    const first = this.#queue.first;
    if (first === undefined) {
      if (this.#finQueued) this.#pass('fin', this.#clock.now() + this.#parameters.delay);
      this.#finQueued = false;
      return;
    }
    const { piece, isRagged } = this.#parameters;
    const most = isRagged ? this.#random.int(1, piece) : piece;
    // A slice, so that a change of the rate is felt soon.
    const slice = Math.max(1, Math.floor(SLICE * this.#speed()));
    const length = Math.min(first.length - this.#taken, most, slice);
    this.#isServing = true;
    this.#clock.at(this.#clock.now() + length / this.#speed(), () => this.#depart(length));
  }

  #depart(length: number): void {
    this.#isServing = false;
    const first = this.#queue.first;
    if (first === undefined) return;
    const end = this.#taken + Math.min(length, first.length - this.#taken);
    const piece = this.#memory.chunk(first.bytes.subarray(this.#taken, end));
    this.#queuedBytes -= end - this.#taken;
    this.#taken = end;
    if (this.#taken === first.length) {
      this.#queue.shift();
      first.release();
      this.#taken = 0;
    }
    this.#departedAt = this.#clock.now();
    if (this.#congestionWindow < 4 * this.#rate * this.#parameters.delay) {
      this.#congestionWindow += piece.length;
    }
    this.#lose(piece.length);
    this.#pass(piece, this.#clock.now() + this.#parameters.delay);
    this.#serve();
    this.#handler.onRoom();
  }

  /** Bytes per ms at which TCP sends now. */
  #speed(): number {
    const { delay, policer } = this.#parameters;
    const now = this.#clock.now();
    if (now - this.#departedAt > RTO_MIN + 2 * delay) this.#congestionWindow = INITIAL_WINDOW;
    const dared = this.#congestionWindow / (2 * delay);
    const probing = now < this.#holeUntil ? 0.9 : 1.25;
    return Math.min(dared, policer === undefined ? this.#rate : this.#rate * probing);
  }

  /** Opens a hole if a segment of these bytes was lost. */
  #lose(bytes: number): void {
    const { policer, loss, delay } = this.#parameters;
    const now = this.#clock.now();
    const rtt = 2 * delay;
    if (loss !== undefined && this.#random.chance((loss * bytes) / SEGMENT)) {
      const repair = this.#random.chance(0.98) ? 1.25 * rtt : RTO_MIN + 2 * rtt;
      this.#holeUntil = Math.max(this.#holeUntil, now + delay + repair);
    }
    if (policer === undefined) return;
    this.#tokens += (now - this.#tokensAt) * this.#rate;
    this.#tokens = Math.min(policer.depth, this.#tokens) - bytes;
    this.#tokensAt = now;
    if (this.#tokens >= 0 || now < this.#holeUntil) return;
    this.#tokens = 0;
    const isQuick = this.#random.chance(0.3);
    const repair = isQuick ? 1.5 * rtt + 5 : RTO_MIN + rtt + this.#random.between(0, 100);
    this.#holeUntil = now + delay + repair;
  }

  #pass(item: Chunk | Mark, at: number): void {
    const last = this.#line.last?.at ?? 0;
    this.#line.push({ item, at: Math.max(at, last, item === 'rst' ? 0 : this.#holeUntil) });
    this.#armLine();
  }

  #armLine(): void {
    const first = this.#line.first;
    if (first === undefined || this.#isLineArmed || this.#isHeld) return;
    this.#isLineArmed = true;
    this.#clock.at(first.at, () => {
      this.#isLineArmed = false;
      if (!this.#isHeld) this.#arrive();
      this.#armLine();
    });
  }

  /** All that is due arrives in one read, as a kernel would hand it over. */
  #arrive(): void {
    const pieces: Chunk[] = [];
    let length = 0;
    for (;;) {
      const first = this.#line.first;
      if (first === undefined || first.at > this.#clock.now()) break;
      const { item } = first;
      if (typeof item === 'string') {
        if (pieces.length > 0) break;
        this.#line.shift();
        this.#handler.onMark(item);
        return;
      }
      if (length > 0 && length + item.length > READ) break;
      this.#line.shift();
      pieces.push(item);
      length += item.length;
    }
    if (pieces.length === 0) return;
    this.arrivedBytes += length;
    this.#handler.onArrival(pieces.length === 1 ? pieces[0]! : this.#merge(pieces, length));
  }

  #merge(pieces: readonly Chunk[], length: number): Chunk {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece.bytes, at);
      at += piece.length;
      piece.release();
    }
    return this.#memory.chunk(bytes);
  }

  #dropQueue(): void {
    for (const chunk of this.#queue) chunk.release();
    this.#queue.clear();
    this.#queuedBytes = 0;
    this.#taken = 0;
    this.#finQueued = false;
  }
}

const SEGMENT = 1_460;
const INITIAL_WINDOW = 10 * SEGMENT;
/** Linux's least retransmission timeout, ms. */
const RTO_MIN = 200;
const READ = 64 * 1024;
/** ms. */
const SLICE = 100;
