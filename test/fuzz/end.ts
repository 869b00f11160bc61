import { Chunk } from '../../src/core/chunk.ts';
import type { ReasonName } from '../../src/core/errors.ts';
import { Budget } from '../../src/data/budget.ts';
import type { Channel, ChannelHandler } from '../../src/protocol/channel.ts';
import type { Lane, LanePort } from '../../src/protocol/lane.ts';
import { createScheduler, type SchedulerName } from '../../src/protocol/scheduler.ts';
import { Session, type SessionHandler, type SessionOptions } from '../../src/protocol/session.ts';
import { decodeNaively, type Told } from '../prop/naive-decoder.ts';
import { Slabs } from '../prop/slabs.ts';
import { concat } from '../prop/wire.ts';

export const SESSION_WINDOW = 200_000;
export const INITIAL_WINDOW = 64 * 1024;
export const MAX_CHANNELS = 20;

/** A lane's way out: what was sent waits until somebody takes it. */
export class Port implements LanePort {
  writable = true;
  #sent: Uint8Array[] = [];

  send(chunk: Chunk): void {
    this.#sent.push(chunk.bytes.slice());
    chunk.release();
  }

  get sentBytes(): number {
    return this.#sent.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** What was sent since the last call. */
  take(): Uint8Array {
    const bytes = concat(this.#sent);
    this.#sent = [];
    return bytes;
  }
}

/** A session with lanes that lead nowhere, whose input is up to the test, and which records all. */
export class End {
  readonly role: 'entry' | 'exit';
  readonly session: Session;
  readonly budget: Budget;
  /** Memory of what arrived. */
  readonly slabs = new Slabs();
  readonly ports = new Map<Lane, Port>();
  readonly opened: Channel[] = [];
  now = 5_000;
  /** How it ended. */
  closed: { reason: ReasonName; detail: string } | null = null;
  closings = 0;

  constructor(
    role: 'entry' | 'exit',
    lanes = 1,
    handler: Partial<SessionHandler> = {},
    { budget = 1 << 20, scheduler = 'adaptive' as SchedulerName } = {},
  ) {
    this.role = role;
    this.budget = new Budget(budget);
    const options: SessionOptions = {
      role,
      scheduler: createScheduler(scheduler),
      sessionWindow: SESSION_WINDOW,
      initialWindow: INITIAL_WINDOW,
      peerSessionWindow: SESSION_WINDOW,
      peerInitialWindow: INITIAL_WINDOW,
      maxChannels: MAX_CHANNELS,
      sendBudget: this.budget,
    };
    this.session = new Session(options, {
      onOpen: (channel, target) => {
        this.opened.push(channel);
        handler.onOpen?.(channel, target);
      },
      onLaneDone: (lane) => this.dropLane(lane),
      onGoAway: () => handler.onGoAway?.(),
      onRoom: () => handler.onRoom?.(),
      onClosed: (reason, detail) => {
        this.closed = { reason, detail };
        this.closings += 1;
        handler.onClosed?.(reason, detail);
      },
    });
    for (let id = 1; id <= lanes; id += 1) this.addLane(id);
  }

  addLane(id: number): Lane {
    const port = new Port();
    const lane = this.session.addLane(id, port, this.now);
    this.ports.set(lane, port);
    return lane;
  }

  dropLane(lane: Lane): void {
    this.ports.delete(lane);
    this.session.removeLane(lane, this.now);
  }

  get lane(): Lane {
    return this.session.lanes[0]!;
  }

  /** The bytes arrive on the first lane, or another, in memory that is watched. */
  receive(bytes: Uint8Array, lane = this.lane): void {
    this.session.handleChunk(lane, this.slabs.chunk(bytes), this.now);
  }

  /** As a trunk does after inputs and verbs. */
  settle(): void {
    this.session.transmit(this.now);
    this.session.deliver(this.now);
    this.session.transmit(this.now);
  }

  /** Time passes, with what falls due in it. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = this.session.nextDeadline(this.now);
      if (due > end) break;
      this.now = Math.max(due, this.now + 0.1);
      this.session.handleTimeout(this.now);
      this.settle();
    }
    this.now = Math.max(this.now, end);
  }

  /** What it has sent since the last call, read by the naive decoder. */
  said(): Told[] {
    return [...this.ports.values()].flatMap((port) => decodeNaively(port.take()));
  }

  /** The same, only types: `0x15#3` is a RESET of channel 3. */
  saidTypes(): string[] {
    return this.said().flatMap((told) => {
      if (told.kind === 'data') return [`0x13#${told.channel}`];
      return told.kind === 'frame'
        ? [`0x${told.type.toString(16).padStart(2, '0')}#${told.id}`]
        : [];
    });
  }
}

/** Takes everything and remembers it. */
export class Reader implements ChannelHandler {
  bytes: number[] = [];
  fins = 0;
  finAcks = 0;
  drains = 0;
  opens = 0;
  resets: ReasonName[] = [];

  onChunk(chunk: Chunk): void {
    this.bytes.push(...chunk.bytes);
    chunk.release();
  }

  onFin(): void {
    this.fins += 1;
  }

  onDrain(): void {
    this.drains += 1;
  }

  onFinAcked(): void {
    this.finAcks += 1;
  }

  onOpened(): void {
    this.opens += 1;
  }

  onReset(reason: ReasonName): void {
    this.resets.push(reason);
  }
}

export function chunkOf(bytes: Uint8Array | string): Chunk {
  return new Chunk(typeof bytes === 'string' ? new Uint8Array(Buffer.from(bytes)) : bytes);
}
