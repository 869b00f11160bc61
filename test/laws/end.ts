import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { Chunk, Slab } from '../../src/core/chunk.ts';
import type { BrokenPipe, Pipe, PipeHandler } from '../../src/io/pipe.ts';

/** Memory that has gone home is overwritten with this: whoever still reads it, reads rubbish. */
const POISON = 0xdd;
const HEADROOM = 16;
/** ms that an end waits for an event; a slow machine in a busy hour needs hundreds. */
const PATIENCE = 10_000;

/** A text without short periods: byte `i` of a direction is `text[(i + start) % length]`. */
const text = Buffer.alloc(65_521, 0).map(
  (_, at) => (Math.imul(at + 1, 2_654_435_761) >>> 13) & 0xff,
);
const endlessText = Buffer.concat(Array.from({ length: 34 }, () => text));

/** `length` bytes of the text from `offset`; at most 2 MiB. */
export function textAt(offset: number, length: number): Uint8Array {
  const start = offset % text.length;
  return endlessText.subarray(start, start + length);
}

/**
 * One end of a pipe under test: sends the text, checks what arrives, and holds every call and every
 * word of the pipe against the laws.
 */
export class End implements PipeHandler {
  readonly pipe: Pipe;
  readonly name: string;
  readonly #keepsBoundaries: boolean;
  sentBytes = 0;
  receivedBytes = 0;
  /** Bytes that were taken by the pipe and not yet released. */
  heldBytes = 0;
  maxHeldBytes = 0;
  /** Lengths of the chunks that were sent, and that the peer is to receive. */
  readonly sentLengths: number[] = [];
  readonly receivedLengths: number[] = [];
  drains = 0;
  fins = 0;
  finsSent = 0;
  broken: BrokenPipe | null = null;
  isPaused = true;
  isAborted = false;
  /** Called at the end of each onChunk and onDrain, for owners that act at once. */
  onData: (() => void) | null = null;
  onLastSent: (() => void) | null = null;
  onRoom: (() => void) | null = null;
  #isFinQueued = false;
  #isInCall = false;
  #isDrainDue = false;
  #failure: unknown = null;
  readonly #waiters = new Set<() => void>();

  constructor(name: string, pipe: Pipe, options: { keepsBoundaries: boolean }) {
    this.name = name;
    this.pipe = pipe;
    this.#keepsBoundaries = options.keepsBoundaries;
    this.#call(() => pipe.attach(this));
  }

  /** Offers the next `length` bytes of the text in one chunk. */
  send(length: number): boolean {
    const wasWritable = this.pipe.writable;
    const chunk = this.#makeChunk(length);
    const isTaken = this.#call(() => this.pipe.send(chunk));
    assert.equal(isTaken, wasWritable, `${this.name}: send() answers what writable said (law 1)`);
    if (!isTaken) {
      // It stayed ours, whole.
      assert.deepEqual(chunk.bytes, textAt(this.sentBytes, length), 'a refused chunk is unchanged');
      chunk.release();
      return false;
    }
    this.maxHeldBytes = Math.max(this.maxHeldBytes, this.heldBytes);
    this.sentBytes += length;
    this.sentLengths.push(length);
    if (!this.pipe.writable) this.#isDrainDue = true;
    return true;
  }

  /** Sends `total` bytes in chunks of `size(index)` bytes, as fast as the pipe allows. */
  async sendAll(total: number, size: (index: number) => number): Promise<void> {
    for (let index = 0, left = total; left > 0; index += 1) {
      const length = Math.min(left, size(index));
      if (this.send(length)) left -= length;
      else await this.until(() => this.pipe.writable || this.isOver, 'room to send');
      assert.equal(this.broken, null, `${this.name} broke while it sent`);
    }
  }

  /** Sends chunks of `length` bytes until the pipe is congested. */
  async fill(length: number, limit: number): Promise<void> {
    const before = this.sentBytes;
    while (this.pipe.writable) {
      this.send(length);
      assert.ok(this.sentBytes - before <= limit, `${this.name}: a paused peer stops the sender`);
      // Lets what the system can still take go there.
      if (!this.pipe.writable) await turns(20);
    }
  }

  sendFin(): void {
    this.#isFinQueued = true;
    this.#isDrainDue = false;
    this.#call(() => this.pipe.sendFin());
    assert.equal(this.pipe.writable, false, `${this.name}: nothing is sent after a FIN (law 4)`);
  }

  pause(): void {
    this.isPaused = true;
    this.#call(() => this.pipe.pause());
  }

  resume(): void {
    this.isPaused = false;
    this.#call(() => this.pipe.resume());
  }

  abort(): void {
    this.isAborted = true;
    this.#isDrainDue = false;
    this.#call(() => this.pipe.abort());
    assert.equal(this.pipe.writable, false, `${this.name}: an aborted pipe takes nothing`);
  }

  get isOver(): boolean {
    return this.isAborted || this.broken !== null;
  }

  onChunk(chunk: Chunk): void {
    this.#hear('onChunk', () => {
      assert.equal(this.isPaused, false, `${this.name}: no chunk while paused (law 7)`);
      assert.equal(this.fins, 0, `${this.name}: no chunk after the FIN (law 4)`);
      if (!this.#keepsBoundaries) assert.ok(chunk.length > 0, 'no empty chunk (law 3)');
      this.#compare(chunk.bytes);
      this.receivedBytes += chunk.length;
      this.receivedLengths.push(chunk.length);
      chunk.release();
      this.onData?.();
    });
  }

  onFin(): void {
    this.#hear('onFin', () => {
      assert.equal(this.isPaused, false, `${this.name}: no FIN while paused (law 7)`);
      this.fins += 1;
      assert.equal(this.fins, 1, `${this.name}: one FIN (law 4)`);
    });
  }

  onDrain(): void {
    this.#hear('onDrain', () => {
      assert.ok(this.#isDrainDue, `${this.name}: a drain follows a congestion, once (law 2)`);
      assert.ok(this.pipe.writable, `${this.name}: writable at the drain (law 2)`);
      this.#isDrainDue = false;
      this.drains += 1;
      this.onRoom?.();
    });
  }

  onFinSent(): void {
    this.#hear('onFinSent', () => {
      assert.ok(this.#isFinQueued, `${this.name}: no onFinSent without sendFin`);
      this.finsSent += 1;
      assert.equal(this.finsSent, 1, `${this.name}: one onFinSent (law 4)`);
      this.onLastSent?.();
    });
  }

  onBroken(cause: BrokenPipe): void {
    this.#hear('onBroken', () => {
      assert.equal(this.pipe.writable, false, `${this.name}: a broken pipe takes nothing`);
      this.broken = cause;
    });
  }

  /** Waits for events of this pipe until `holds`. */
  until(holds: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#failure ??= new Error(`${this.name} awaited ${what} for ${PATIENCE} ms`);
        check();
      }, PATIENCE);
      const check = (): void => {
        if (this.#failure !== null) reject(this.#failure);
        else if (holds()) resolve();
        else if (this.isOver) reject(this.#overTooSoon(what));
        else return;
        clearTimeout(timer);
        this.#waiters.delete(check);
      };
      this.#waiters.add(check);
      check();
    });
  }

  #overTooSoon(what: string): Error {
    return new Error(`${this.name} is over, but awaited ${what}`, { cause: this.broken });
  }

  /** Throws what a handler found: handlers run inside the pipe, where an exception is lost. */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #call<T>(run: () => T): T {
    // Invariant of law 8: while this holds, no handler runs.
    const outer = this.#isInCall;
    this.#isInCall = true;
    try {
      return run();
    } finally {
      this.#isInCall = outer;
    }
  }

  #hear(event: string, judge: () => void): void {
    try {
      assert.equal(this.#isInCall, false, `${this.name}: ${event} inside a call (law 8)`);
      assert.equal(this.isAborted, false, `${this.name}: ${event} after abort() (law 5)`);
      assert.equal(this.broken, null, `${this.name}: ${event} after onBroken (law 6)`);
      judge();
    } catch (failure) {
      this.#failure ??= failure;
    }
    for (const check of [...this.#waiters]) check();
  }

  #compare(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 1_000_000) {
      const part = bytes.subarray(at, at + 1_000_000);
      const isEqual = Buffer.compare(part, textAt(this.receivedBytes + at, part.length)) === 0;
      assert.ok(isEqual, `${this.name}: bytes as they were sent, near ${this.receivedBytes + at}`);
    }
  }

  #makeChunk(length: number): Chunk {
    const bytes = Buffer.alloc(HEADROOM + length, POISON);
    bytes.set(textAt(this.sentBytes, length), HEADROOM);
    this.heldBytes += length;
    const slab = new Slab(bytes, () => {
      this.heldBytes -= length;
      bytes.fill(POISON);
    });
    return new Chunk(bytes.subarray(HEADROOM), slab, HEADROOM);
  }
}

/** Lets `count` turns of the event loop pass. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
