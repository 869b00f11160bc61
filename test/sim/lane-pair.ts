import type { Chunk } from '../../src/core/chunk.ts';
import { Deque } from '../../src/data/deque.ts';
import { BrokenPipe, type Pipe, type PipeHandler } from '../../src/io/pipe.ts';
import type { VirtualClock } from '../../src/loop/virtual-clock.ts';
import type { EndClock } from './end-clock.ts';
import { Link, type LinkParameters, type Mark } from './link.ts';
import type { Memory } from './memory.ts';
import type { Random } from './random.ts';

/** The two directions of a lane. */
export interface RouteParameters {
  readonly up: LinkParameters;
  readonly down: LinkParameters;
}

/** A lane as a kernel would show it: two connected sockets and the route between them. */
export class LanePair {
  readonly entry: LaneEnd;
  readonly exit: LaneEnd;
  /** From the entry to the exit, and back. */
  readonly up: Link;
  readonly down: Link;
  #isCut = false;

  constructor(
    clock: VirtualClock,
    random: Random,
    memory: Memory,
    route: RouteParameters,
    clocks: { readonly entry: EndClock; readonly exit: EndClock },
  ) {
    this.up = new Link(clock, random.fork(), memory, route.up, {
      onRoom: () => this.entry.onRoom(),
      onArrival: (chunk) => this.exit.onArrival(chunk),
      onMark: (mark) => this.exit.onMark(mark),
    });
    this.down = new Link(clock, random.fork(), memory, route.down, {
      onRoom: () => this.exit.onRoom(),
      onArrival: (chunk) => this.entry.onArrival(chunk),
      onMark: (mark) => this.entry.onMark(mark),
    });
    this.entry = new LaneEnd(clocks.entry, this.up);
    this.exit = new LaneEnd(clocks.exit, this.down);
  }

  /** True while bytes could come through. */
  get isWhole(): boolean {
    return !this.#isCut && !this.entry.isOver && !this.exit.isOver;
  }

  hold(): void {
    this.up.hold();
    this.down.hold();
  }

  release(): void {
    this.up.release();
    this.down.release();
  }

  /** Cuts both directions where they are, in mid-frame as it comes. The ends must be told. */
  cut(): void {
    this.#isCut = true;
    this.up.cut();
    this.down.cut();
  }
}

/** One socket of a lane. It keeps the laws of a pipe. */
export class LaneEnd implements Pipe {
  readonly #clock: EndClock;
  readonly #out: Link;
  #handler: PipeHandler | null = null;
  #isPaused = true;
  #isCongested = false;
  #isDrainOwed = false;
  #hasSentFin = false;
  #hasSeenFin = false;
  #isDead = false;
  readonly #inbox = new Deque<Chunk | 'fin'>();
  #isReading = false;

  constructor(clock: EndClock, out: Link) {
    this.#clock = clock;
    this.#out = out;
  }

  get isOver(): boolean {
    return this.#isDead || (this.#hasSentFin && this.#hasSeenFin);
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
  }

  get writable(): boolean {
    return !this.#isDead && !this.#hasSentFin && !this.#isCongested;
  }

  send(chunk: Chunk): boolean {
    if (!this.writable) return false;
    spoilHeadroom(chunk);
    this.#out.push(chunk);
    if (this.#out.isFull) this.#isCongested = true;
    return true;
  }

  sendFin(): void {
    if (this.#isDead || this.#hasSentFin) return;
    this.#hasSentFin = true;
    this.#out.finish();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#readSoon();
  }

  abort(): void {
    if (this.#isDead) return;
    this.#die();
    this.#out.abort();
  }

  /** The network, or the kernel, says that the connection is gone. */
  fail(message: string): void {
    this.#clock.input(() => {
      if (this.#isDead) return;
      const handler = this.#handler;
      this.#die();
      handler?.onBroken(new BrokenPipe('lost', message));
    });
  }

  // What its links say.

  onRoom(): void {
    if (this.#isDead || this.#hasSentFin || !this.#isCongested || this.#isDrainOwed) return;
    if (this.#out.isFull) return;
    this.#isDrainOwed = true;
    this.#clock.input(() => {
      this.#isDrainOwed = false;
      if (this.#isDead || this.#hasSentFin) return;
      this.#isCongested = false;
      this.#handler?.onDrain();
    });
  }

  onArrival(chunk: Chunk): void {
    if (this.#isDead) {
      chunk.release();
      return;
    }
    this.#inbox.push(chunk);
    this.#clock.input(() => this.#read());
  }

  onMark(mark: Mark): void {
    if (mark === 'rst') {
      this.fail('connection reset by peer');
      return;
    }
    this.#inbox.push('fin');
    this.#clock.input(() => this.#read());
  }

  #readSoon(): void {
    if (this.#inbox.length > 0) this.#clock.inputSoon(() => this.#read());
  }

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    while (!this.#isPaused && !this.#isDead) {
      const item = this.#inbox.shift();
      if (item === undefined) break;
      if (item === 'fin') {
        this.#hasSeenFin = true;
        this.#handler?.onFin();
      } else if (this.#handler === null) item.release();
      else this.#handler.onChunk(item);
    }
    this.#isReading = false;
  }

  #die(): void {
    this.#isDead = true;
    for (const item of this.#inbox) if (item !== 'fin') item.release();
    this.#inbox.clear();
  }
}

/** A pipe may write to the room in front of what it was given. */
function spoilHeadroom({ bytes, headroom }: Chunk): void {
  new Uint8Array(bytes.buffer, bytes.byteOffset - headroom, headroom).fill(0xee);
}
