import { Chunk } from '../../src/core/chunk.ts';
import { Budget } from '../../src/data/budget.ts';
import { HEADROOM } from '../../src/data/read-buffer.ts';
import { SlabPool } from '../../src/data/slab-pool.ts';
import type { BrokenPipe, Pipe, PipeHandler } from '../../src/io/pipe.ts';
import type { StripedPipe } from '../../src/io/pipe-striped.ts';
import { Trunk } from '../../src/io/trunk.ts';
import type { Clock, Timer } from '../../src/loop/clock.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';
import { createScheduler } from '../../src/protocol/scheduler.ts';

export const MiB = 1024 * 1024;
/** From one end of a lane to the other, ms. */
const DELAY = 1;
/** What a socket of a lane takes before it is congested, bytes. */
const LANE_ROOM = 4 * MiB;
const WINDOW = 64 * MiB;

/** What a lane carried, as its pipes saw it. */
export interface LaneCount {
  chunks: number;
  bytes: number;
  /** Of those chunks, those that lie in the memory of a slab that the application's bytes came in. */
  chunksInPlace: number;
  bytesInPlace: number;
}

/**
 * An entry's trunk and an exit's, in virtual time, joined by lanes that add nothing: what one end
 * sends is, after a delay, the very chunk that the other receives. All cost is the project's own.
 */
export class TrunkPair {
  readonly time = new VirtualClock();
  readonly clocks: CountingClock[] = [];
  readonly #entry: Trunk;

  /** `onOpen`: the exit has a new channel; `onSend`: the entry sends a chunk. */
  constructor(
    lanes: number,
    onOpen: (pipe: StripedPipe) => void,
    onSend: (chunk: Chunk) => void = () => {},
  ) {
    this.#entry = this.#makeTrunk('entry', () => {});
    const exit = this.#makeTrunk('exit', onOpen);
    for (let id = 1; id <= lanes; id += 1) {
      const near = new Wire(this.time, onSend);
      const far = new Wire(this.time, () => {});
      near.peer = far;
      far.peer = near;
      this.#entry.addLane(id, near, null);
      exit.addLane(id, far, null);
    }
  }

  open(): StripedPipe {
    return this.#entry.open(new Uint8Array());
  }

  /** For `most` ms more at most. */
  run(isDone: () => boolean = () => false, most = 10_000): void {
    const limit = this.time.now() + (isDone() ? 0 : most);
    while (this.time.now() < limit && !isDone() && this.time.step());
  }

  #makeTrunk(role: 'entry' | 'exit', onOpen: (pipe: StripedPipe) => void): Trunk {
    const clock = new CountingClock(this.time);
    this.clocks.push(clock);
    return new Trunk(
      {
        role,
        scheduler: createScheduler('adaptive'),
        sessionWindow: WINDOW,
        initialWindow: MiB,
        peerSessionWindow: WINDOW,
        peerInitialWindow: MiB,
        maxChannels: 64,
        sendBudget: new Budget(2 * WINDOW),
      },
      clock,
      { onOpen, onLaneEnd: () => {}, onGoAway: () => {}, onClosed: () => {} },
    );
  }
}

/** Bytes over one channel of such a pair, counted on their way. */
export class CostWorld {
  readonly sent: LaneCount = { chunks: 0, bytes: 0, chunksInPlace: 0, bytesInPlace: 0 };
  /** Bytes that have come out of the exit. */
  received = 0;
  /** And of these, those that lie where the lane's chunk lay. */
  receivedInPlace = 0;
  readonly #memory = new Set<ArrayBufferLike>();
  readonly #pool: SlabPool;
  readonly #pair: TrunkPair;
  readonly #pipe: StripedPipe;
  #next: () => Chunk | null = () => null;
  #left = 0;

  constructor(lanes: number) {
    const allocate = (size: number): Uint8Array => {
      const bytes = new Uint8Array(size);
      this.#memory.add(bytes.buffer);
      return bytes;
    };
    this.#pool = new SlabPool({ allocate, budget: 2 * WINDOW });
    this.#pair = new TrunkPair(
      lanes,
      (pipe) => this.#accept(pipe),
      (chunk) => this.#count(chunk),
    );
    this.#pipe = this.#pair.open();
    this.#pipe.attach({ ...deaf, onDrain: () => this.#feed() });
    this.#pair.run();
  }

  get clocks(): readonly CountingClock[] {
    return this.#pair.clocks;
  }

  /** Sends `bytes` in the largest chunks that a socket reads, and waits until all are there. */
  carryBulk(bytes: number): void {
    this.#carry(bytes, () => {
      const slab = this.#pool.take()!;
      return new Chunk(slab.bytes.subarray(HEADROOM), slab, HEADROOM);
    });
  }

  /** Sends messages of their own, each once the one before has arrived. */
  carryMessages(count: number, size: number): void {
    for (let message = 0; message < count; message += 1) {
      this.#carry(size, () => {
        const bytes = new Uint8Array(HEADROOM + size);
        return new Chunk(bytes.subarray(HEADROOM), null, HEADROOM);
      });
    }
  }

  #carry(bytes: number, next: () => Chunk): void {
    const goal = this.received + bytes;
    this.#left = bytes;
    this.#next = () => {
      if (this.#left <= 0) return null;
      const chunk = next();
      this.#left -= chunk.length;
      return chunk;
    };
    this.#feed();
    this.#pair.run(() => this.received >= goal);
    if (this.received < goal) throw new Error(`${goal - this.received} bytes never arrived`);
  }

  #feed(): void {
    while (this.#pipe.writable) {
      const chunk = this.#next();
      if (chunk === null) return;
      this.#pipe.send(chunk);
    }
  }

  #accept(pipe: StripedPipe): void {
    pipe.accept();
    pipe.attach({
      ...deaf,
      onChunk: (chunk) => {
        this.received += chunk.length;
        if (this.#memory.has(chunk.bytes.buffer)) this.receivedInPlace += chunk.length;
        chunk.release();
      },
    });
    pipe.resume();
  }

  #count({ bytes }: Chunk): void {
    this.sent.chunks += 1;
    this.sent.bytes += bytes.length;
    if (!this.#memory.has(bytes.buffer)) return;
    this.sent.chunksInPlace += 1;
    this.sent.bytesInPlace += bytes.length;
  }
}

/** Counts what it is asked. */
export class CountingClock implements Clock {
  reads = 0;
  timers = 0;
  turns = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    this.reads += 1;
    return this.#clock.now();
  }

  at(deadline: number, fn: () => void): Timer {
    this.timers += 1;
    return this.#clock.at(deadline, fn);
  }

  soon(fn: () => void): void {
    this.turns += 1;
    this.#clock.soon(fn);
  }
}

/** One end of a lane. What is sent within a turn arrives together, as it does from a socket. */
class Wire implements Pipe {
  peer: Wire | null = null;
  readonly #time: VirtualClock;
  readonly #onSend: (chunk: Chunk) => void;
  #handler: PipeHandler = deaf;
  #batch: Chunk[] = [];
  #waiting = 0;
  #isCongested = false;

  constructor(time: VirtualClock, onSend: (chunk: Chunk) => void) {
    this.#time = time;
    this.#onSend = onSend;
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
  }

  get writable(): boolean {
    return !this.#isCongested;
  }

  send(chunk: Chunk): boolean {
    if (this.#isCongested) return false;
    this.#onSend(chunk);
    if (this.#batch.length === 0) this.#time.at(this.#time.now() + DELAY, this.#arrive);
    this.#batch.push(chunk);
    this.#waiting += chunk.length;
    this.#isCongested = this.#waiting >= LANE_ROOM;
    return true;
  }

  readonly #arrive = (): void => {
    const batch = this.#batch;
    this.#batch = [];
    this.#waiting = 0;
    for (const chunk of batch) this.peer!.#handler.onChunk(chunk);
    if (!this.#isCongested) return;
    this.#isCongested = false;
    this.#handler.onDrain();
  };

  sendFin(): void {}
  pause(): void {}
  resume(): void {}
  abort(): void {}
}

export const deaf: PipeHandler = {
  onChunk: (chunk) => chunk.release(),
  onFin() {},
  onDrain() {},
  onFinSent() {},
  onBroken(_: BrokenPipe) {},
};
