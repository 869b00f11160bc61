import assert from 'node:assert/strict';
import { Chunk } from '../../src/core/chunk.ts';
import type { ReasonName } from '../../src/core/errors.ts';
import { Budget } from '../../src/data/budget.ts';
import type { Channel, ChannelHandler } from '../../src/protocol/channel.ts';
import type { Lane } from '../../src/protocol/lane.ts';
import type { Scheduler } from '../../src/protocol/scheduler.ts';
import { Session } from '../../src/protocol/session.ts';
import { Pattern } from './pattern.ts';

export type Role = 'entry' | 'exit';

/** One of so many things may happen next: which? */
export type Choose = (options: number) => number;

/**
 * Two sessions and nothing that is not a choice: which lane a frame takes, which lane delivers next,
 * when a lane dies, with or without a part of what it carried, and when a new one comes. Time stands
 * still, except that acknowledgements are always due.
 *
 * The entry opens two channels, sends three chunks on one, which its window holds up, and gets one
 * chunk on the other. All directions end with FIN.
 */
export class SmallWorld {
  readonly entry: Session;
  readonly exit: Session;
  readonly lanes: SmallLane[] = [];
  deathsLeft = DEATHS;
  resumesLeft = RESUMES;
  readonly #choose: Choose;
  readonly #ends: End[] = [];
  #nextLane = 1;

  constructor(choose: Choose) {
    this.#choose = choose;
    this.entry = this.#newSession('entry');
    this.exit = this.#newSession('exit');
    for (let count = 0; count < LANES; count += 1) this.#addLane();
    for (const [index, chunks] of UP.entries()) {
      const end = new End(index, 0, this.entry, DOWN[index]!);
      this.#ends.push(end);
      end.start(this.entry.open(Uint8Array.of(index), end), chunks);
    }
    this.#settle();
  }

  /** What can happen now, in a fixed order. */
  actions(): (() => void)[] {
    const actions: (() => void)[] = [];
    for (const lane of this.lanes) {
      for (const role of ROLES) {
        if (lane.queues[role].length > 0) actions.push(() => this.#arrive(lane, role));
      }
    }
    if (this.resumesLeft > 0 && this.lanes.length < LANES) {
      actions.push(() => {
        this.resumesLeft -= 1;
        this.#addLane();
      });
    }
    if (this.deathsLeft > 0) {
      for (const lane of this.lanes) {
        actions.push(() => this.#die(lane, false));
        if (lane.queues.entry.length + lane.queues.exit.length > 0) {
          actions.push(() => this.#die(lane, true));
        }
      }
    }
    return actions;
  }

  /** True when only deaths and resumptions are left to happen. */
  get isQuiet(): boolean {
    return this.lanes.every(({ queues }) => queues.entry.length + queues.exit.length === 0);
  }

  act(action: () => void): void {
    action();
    this.#settle();
  }

  /** Checks that all is delivered and nothing is left, now that nothing moves any more. */
  verifyDone(): void {
    for (const end of this.#ends) end.verifyDone();
    assert.equal(this.#ends.length, 2 * UP.length, 'not every channel was opened');
    for (const session of [this.entry, this.exit]) {
      assert.equal(session.channels.active, 0, 'a channel is left');
      assert.equal(session.options.sendBudget.used, 0, 'bytes are kept for sending');
      assert.equal(session.delivery.heldBytes, 0, 'bytes are held');
    }
    for (const [from, to] of [
      [this.entry, this.exit],
      [this.exit, this.entry],
    ] as const) {
      assert.equal(to.delivery.consumed, from.transmitter.sessionSent, 'session credit is lost');
    }
  }

  #newSession(role: Role): Session {
    return new Session(
      {
        role,
        scheduler: this.#scheduler(),
        sessionWindow: 64 * CHUNK,
        initialWindow: WINDOW * CHUNK,
        peerSessionWindow: 64 * CHUNK,
        peerInitialWindow: WINDOW * CHUNK,
        maxChannels: 16,
        sendBudget: new Budget(1024),
      },
      {
        onOpen: (channel, target) => this.#onOpen(channel, target),
        onLaneDone: () => assert.fail('a lane was given up, though time stands still'),
        onGoAway() {},
        onClosed: (reason: ReasonName, detail: string) => assert.fail(`${reason}: ${detail}`),
      },
    );
  }

  /** Any lane may be taken. */
  #scheduler(): Scheduler {
    return {
      name: 'round-robin',
      usesCap: false,
      pick: (lanes) => {
        const open = lanes.filter((lane) => lane.health === 'good' && lane.port.writable);
        return open.length === 0 ? null : open[this.#choose(open.length)]!;
      },
    };
  }

  #onOpen(channel: Channel, target: Uint8Array): void {
    const index = target[0]!;
    assert.ok(!this.#ends.some((end) => end.index === index && end.direction === 1));
    const end = new End(index, 1, this.exit, UP[index]!);
    channel.handler = end;
    this.#ends.push(end);
    this.exit.accept(channel);
    end.start(channel, DOWN[index]!);
  }

  #addLane(): void {
    const lane = new SmallLane(this.#nextLane, this.entry, this.exit);
    this.#nextLane += 1;
    this.lanes.push(lane);
  }

  #arrive(lane: SmallLane, from: Role): void {
    const bytes = lane.queues[from].shift()!;
    const to = from === 'entry' ? 'exit' : 'entry';
    this[to].handleChunk(lane.ends[to], new Chunk(bytes), NOW);
  }

  /** `isTorn`: half of what was next in each direction still arrives. */
  #die(lane: SmallLane, isTorn: boolean): void {
    this.deathsLeft -= 1;
    this.lanes.splice(this.lanes.indexOf(lane), 1);
    for (const from of ROLES) {
      const torn = lane.queues[from][0];
      const to = from === 'entry' ? 'exit' : 'entry';
      if (isTorn && torn !== undefined) {
        const half = torn.slice(0, torn.length >>> 1);
        this[to].handleChunk(lane.ends[to], new Chunk(half), NOW);
      }
    }
    for (const role of ROLES) this[role].removeLane(lane.ends[role], NOW);
  }

  #settle(): void {
    for (const session of [this.entry, this.exit]) {
      session.transmit(LATER);
      while (session.hasDeliverable) {
        session.deliver(NOW);
        session.transmit(LATER);
      }
    }
  }
}

/** Two queues of what was written, one for each direction. */
class SmallLane {
  readonly id: number;
  readonly queues: Record<Role, Uint8Array[]> = { entry: [], exit: [] };
  readonly ends: Record<Role, Lane>;

  constructor(id: number, entry: Session, exit: Session) {
    this.id = id;
    const port = (role: Role) => ({
      writable: true,
      send: (chunk: Chunk): void => {
        this.queues[role].push(chunk.bytes.slice());
        chunk.release();
      },
    });
    this.ends = {
      entry: entry.addLane(id, port('entry'), NOW),
      exit: exit.addLane(id, port('exit'), NOW),
    };
  }
}

/** The application at one end of a channel: writes all at once, reads all, checks what it hears. */
class End implements ChannelHandler {
  readonly index: number;
  /** 0 at the entry, 1 at the exit: of what it writes. */
  readonly direction: number;
  readonly #session: Session;
  readonly #in: Pattern;
  readonly #expected: number;
  #received = 0;
  #fins = 0;
  #finsAcked = 0;

  constructor(index: number, direction: number, session: Session, expectedChunks: number) {
    this.index = index;
    this.direction = direction;
    this.#session = session;
    this.#in = new Pattern(index, 1 - direction);
    this.#expected = expectedChunks * CHUNK;
  }

  start(channel: Channel, chunks: number): void {
    const out = new Pattern(this.index, this.direction);
    for (let at = 0; at < chunks; at += 1) {
      this.#session.write(channel, new Chunk(out.bytes(at * CHUNK, CHUNK)), NOW);
    }
    this.#session.finish(channel, NOW);
    this.#session.resume(channel);
  }

  verifyDone(): void {
    const name = `channel ${this.index} at end ${this.direction}`;
    assert.equal(this.#received, this.#expected, `${name}: bytes received`);
    assert.equal(this.#fins, 1, `${name}: FINs received`);
    assert.equal(this.#finsAcked, 1, `${name}: FINs acknowledged`);
  }

  onChunk(chunk: Chunk): void {
    assert.equal(this.#fins, 0, 'data after FIN');
    this.#in.verify(this.#received, chunk.bytes);
    this.#received += chunk.length;
    chunk.release();
  }

  onFin(): void {
    this.#fins += 1;
    assert.ok(
      this.#fins === 1 && this.#received === this.#expected,
      'a FIN too many, or too early',
    );
  }

  onFinAcked(): void {
    this.#finsAcked += 1;
    assert.equal(this.#finsAcked, 1, 'a FIN was acknowledged twice');
  }

  onDrain(): void {}
  onOpened(): void {}

  onReset(reason: ReasonName): void {
    assert.fail(`a channel was reset: ${reason}`);
  }
}

const ROLES = ['entry', 'exit'] as const;
const LANES = 2;
const DEATHS = 2;
const RESUMES = 1;
/** Bytes. */
const CHUNK = 8;
/** Of a channel, in chunks. */
const WINDOW = 2;
/** Chunks that the entry and the exit write, by channel. */
const UP = [3, 0];
const DOWN = [0, 1];
/** Inputs happen now; what is owed by then leaves at once. */
const NOW = 0;
const LATER = 10;
