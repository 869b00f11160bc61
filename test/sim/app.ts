import assert from 'node:assert/strict';
import type { Chunk } from '../../src/core/chunk.ts';
import type { BrokenPipe, PipeHandler } from '../../src/io/pipe.ts';
import type { StripedPipe } from '../../src/io/pipe-striped.ts';
import type { EndClock } from './end-clock.ts';
import type { Flow } from './flow.ts';
import type { Memory } from './memory.ts';
import type { AppPlan } from './plan.ts';

/** `whole`: both directions have ended with FIN. */
export type AppState = 'open' | 'whole' | 'aborted' | 'broken';

/** An application at one end of a channel: writes and reads as planned, and checks the pipe's laws. */
export class App implements PipeHandler {
  readonly name: string;
  readonly out: Flow;
  readonly in: Flow;
  state: AppState = 'open';
  readonly #pipe: StripedPipe;
  readonly #plan: AppPlan;
  readonly #clock: EndClock;
  readonly #memory: Memory;
  readonly #startedAt: number;
  /** Bytes that the application has ready, beyond what the pipe took. */
  #ready = 0;
  #messagesLeft = 0;
  #unanswered = 0;
  #isWritingDone = false;
  #isFinAcked = false;
  #isPaused = true;

  constructor(
    name: string,
    pipe: StripedPipe,
    plan: AppPlan,
    flows: { readonly out: Flow; readonly in: Flow },
    clock: EndClock,
    memory: Memory,
  ) {
    this.name = name;
    this.out = flows.out;
    this.in = flows.in;
    this.#pipe = pipe;
    this.#plan = plan;
    this.#clock = clock;
    this.#memory = memory;
    this.#startedAt = clock.now();
    pipe.attach(this);
  }

  get isOver(): boolean {
    return this.state !== 'open';
  }

  start(): void {
    const { writes, reads, resetAfter } = this.#plan;
    if (resetAfter !== undefined) this.#later(resetAfter, () => this.abort());
    if (writes.kind === 'messages') {
      this.#messagesLeft = writes.count;
      this.#nextMessage();
    }
    if (writes.kind === 'bulk') {
      this.#ready = writes.bytes;
      if (writes.until !== undefined) {
        this.#later(writes.until - this.#startedAt, () => {
          this.#ready = 0;
          this.#write();
        });
      }
    }
    if (writes.kind === 'nothing' && writes.ends === 'first') this.#isWritingDone = true;
    if (reads.kind === 'deaf') this.#later(reads.until, () => this.#resume());
    else this.#resume();
    this.#write();
  }

  abort(): void {
    if (this.isOver) return;
    this.state = 'aborted';
    this.out.isAborted = true;
    this.in.isAborted = true;
    this.#pipe.abort();
  }

  onChunk(chunk: Chunk): void {
    assert.equal(this.state, 'open', `${this.name}: data after the end`);
    assert.ok(!this.#isPaused, `${this.name}: data while paused`);
    const { length } = chunk;
    this.in.onDelivered(chunk, this.#clock.now());
    chunk.release();
    const { reads, writes } = this.#plan;
    if (reads.kind === 'slow') this.#pauseFor(length / reads.rate);
    else if (reads.kind === 'naps') this.#napIfTired(reads.awake, reads.nap);
    if (writes.kind === 'replies') {
      this.#unanswered += length;
      const requests = Math.floor(this.#unanswered / writes.request);
      this.#unanswered -= requests * writes.request;
      this.#ready += requests * writes.reply;
      this.#clock.inputSoon(() => this.#write());
    }
  }

  onFin(): void {
    assert.equal(this.state, 'open', `${this.name}: FIN after the end`);
    assert.ok(!this.#isPaused, `${this.name}: FIN while paused`);
    this.in.onFin();
    const { writes } = this.#plan;
    if (writes.kind === 'replies' || writes.kind === 'nothing') {
      this.#isWritingDone = true;
      this.#clock.inputSoon(() => this.#write());
    }
    this.#endIfWhole();
  }

  onDrain(): void {
    assert.equal(this.state, 'open', `${this.name}: drain after the end`);
    assert.ok(this.#pipe.writable, `${this.name}: drained, yet not writable`);
    this.#write();
  }

  onFinSent(): void {
    assert.equal(this.state, 'open', `${this.name}: FIN sent after the end`);
    assert.ok(!this.#isFinAcked, `${this.name}: FIN sent twice`);
    assert.ok(this.out.isFinSent, `${this.name}: FIN sent unasked`);
    this.#isFinAcked = true;
    this.#endIfWhole();
  }

  onBroken(cause: BrokenPipe): void {
    assert.equal(this.state, 'open', `${this.name}: broken after the end`);
    this.state = 'broken';
    assert.ok(
      this.in.isAborted || this.out.isAborted,
      `${this.name}: broken though nobody aborted: ${cause.message}`,
    );
  }

  #write(): void {
    if (this.isOver || this.out.isFinSent) return;
    const now = this.#clock.now();
    const { writes } = this.#plan;
    const most = writes.kind === 'bulk' ? writes.chunk : 16 * 1024;
    while (this.#ready > 0 && this.#pipe.writable) {
      const length = Math.min(this.#ready, most);
      const chunk = this.#memory.chunk(this.out.pattern.bytes(this.out.sentBytes, length));
      this.#ready -= length;
      this.out.onSent(length, now);
      assert.ok(this.#pipe.send(chunk), `${this.name}: refused while writable`);
    }
    if (this.#ready > 0) return;
    if (writes.kind === 'bulk') this.#isWritingDone = true;
    if (!this.#isWritingDone) return;
    this.out.isFinSent = true;
    this.#pipe.sendFin();
  }

  #nextMessage(): void {
    const { writes } = this.#plan;
    if (writes.kind !== 'messages' || this.isOver) return;
    this.#messagesLeft -= 1;
    this.#ready += writes.size;
    this.out.onMessage(this.out.sentBytes + this.#ready, this.#clock.now());
    if (this.#messagesLeft === 0) this.#isWritingDone = true;
    else this.#later(writes.every, () => this.#nextMessage());
    this.#write();
  }

  #resume(): void {
    if (this.isOver) return;
    this.#isPaused = false;
    this.in.setReaderAway(false, this.#clock.now());
    this.#pipe.resume();
  }

  #pauseFor(time: number): void {
    this.#isPaused = true;
    this.in.setReaderAway(true, this.#clock.now());
    this.#pipe.pause();
    this.#later(time, () => this.#resume());
  }

  #napIfTired(awake: number, nap: number): void {
    const cycle = (this.#clock.now() - this.#startedAt) % (awake + nap);
    if (cycle >= awake) this.#pauseFor(awake + nap - cycle);
  }

  #endIfWhole(): void {
    if (this.#isFinAcked && this.in.isFinSeen) this.state = 'whole';
  }

  #later(delay: number, fn: () => void): void {
    this.#clock.at(this.#clock.now() + Math.max(0, delay), fn);
  }
}
