import assert from 'node:assert/strict';
import { Chunk } from '../../src/core/chunk.ts';
import type { ReasonName } from '../../src/core/errors.ts';
import type { Channel, ChannelHandler } from '../../src/protocol/channel.ts';
import type { Session } from '../../src/protocol/session.ts';
import type { Role } from './small-lane.ts';
import type { Action } from './small-world.ts';

/** What is written on a channel, in chunks of one byte, and then FIN, in both directions. */
export interface SmallTransfer {
  readonly up: number;
  readonly down: number;
  /** What the entry writes and the exit reads are choices. Otherwise all is written at once, and read as it comes. */
  readonly isSlow: boolean;
}

/** The application at one end of a channel: writes, reads and checks what it hears. */
export class SmallApp implements ChannelHandler {
  readonly index: number;
  readonly role: Role;
  readonly #isSlowWriter: boolean;
  readonly #isSlowReader: boolean;
  readonly #session: Session;
  readonly #time: { readonly now: number };
  readonly #outgoing: number;
  readonly #incoming: number;
  #channel: Channel | null = null;
  #written = 0;
  #isFinished = false;
  #mustWait = false;
  #received = 0;
  #isFinSeen = false;
  #isFinAcked = false;

  constructor(
    index: number,
    role: Role,
    transfer: SmallTransfer,
    session: Session,
    time: { readonly now: number },
  ) {
    this.#time = time;
    this.index = index;
    this.role = role;
    this.#session = session;
    const { up, down } = transfer;
    [this.#outgoing, this.#incoming] = role === 'entry' ? [up, down] : [down, up];
    this.#isSlowWriter = transfer.isSlow && role === 'entry';
    this.#isSlowReader = transfer.isSlow && role === 'exit';
  }

  get name(): string {
    return `channel ${this.index} at the ${this.role}`;
  }

  get isDone(): boolean {
    return this.#isFinAcked && this.#isFinSeen;
  }

  /** All that decides what it can still do. */
  get state(): string {
    const { isPaused } = this.#channel!;
    return `${this.#written} ${this.#isFinished} ${this.#mustWait} ${this.#received} ${this.#isFinSeen} ${this.#isFinAcked} ${isPaused}`;
  }

  start(channel: Channel): void {
    this.#channel = channel;
    if (!this.#isSlowReader) this.#session.resume(channel);
    if (!this.#isSlowWriter) this.#writeAll();
  }

  actions(): Action[] {
    const actions: Action[] = [];
    if (this.#mayWrite) {
      actions.push({ name: `write, ${this.name}`, run: () => this.#write() });
    } else if (this.#mayFinish) {
      actions.push({ name: `end, ${this.name}`, run: () => this.#finish() });
    }
    const channel = this.#channel!;
    const { receive } = channel;
    if (channel.isPaused && !this.#isFinSeen && (receive.isReady || receive.isAtEnd)) {
      actions.push({
        name: `read, ${this.name}`,
        run: () => this.#session.resume(channel),
      });
    }
    return actions;
  }

  onChunk(chunk: Chunk): void {
    assert.ok(!this.#isFinSeen, `${this.name}: data after FIN`);
    for (const byte of chunk.bytes) {
      const expected = byteAt(this.index, this.role === 'entry' ? 'exit' : 'entry', this.#received);
      assert.equal(byte, expected, `${this.name}: byte ${this.#received}`);
      this.#received += 1;
    }
    chunk.release();
    if (this.#isSlowReader) this.#session.pause(this.#channel!);
  }

  onFin(): void {
    assert.ok(!this.#isFinSeen, `${this.name}: FIN came twice`);
    assert.equal(this.#received, this.#incoming, `${this.name}: bytes before FIN`);
    this.#isFinSeen = true;
  }

  onFinAcked(): void {
    assert.ok(!this.#isFinAcked, `${this.name}: FIN was acknowledged twice`);
    assert.ok(this.#isFinished, `${this.name}: FIN was acknowledged before it was sent`);
    this.#isFinAcked = true;
  }

  onDrain(): void {
    assert.ok(this.#mustWait, `${this.name}: nobody waited`);
    this.#mustWait = false;
    if (!this.#isSlowWriter) this.#writeAll();
  }

  onOpened(): void {}

  onReset(reason: ReasonName): void {
    assert.fail(`${this.name} was reset: ${reason}`);
  }

  get #mayWrite(): boolean {
    return this.#written < this.#outgoing && !this.#mustWait;
  }

  get #mayFinish(): boolean {
    return this.#written === this.#outgoing && !this.#isFinished;
  }

  #writeAll(): void {
    while (this.#mayWrite) this.#write();
    if (this.#mayFinish) this.#finish();
  }

  #write(): void {
    const byte = byteAt(this.index, this.role, this.#written);
    this.#written += 1;
    this.#session.write(this.#channel!, new Chunk(Uint8Array.of(byte)), this.#time.now);
    this.#session.transmit(this.#time.now);
    this.#mustWait = this.#session.mustWait(this.#channel!);
  }

  #finish(): void {
    this.#isFinished = true;
    this.#session.finish(this.#channel!, this.#time.now);
  }
}

/** A byte that tells where it belongs. */
function byteAt(index: number, writer: Role, offset: number): number {
  return 100 * index + (writer === 'entry' ? 10 : 20) + offset;
}
