import type { Chunk } from '../../src/core/chunk.ts';
import { FrameType } from '../../src/protocol/frame.ts';
import type { Lane } from '../../src/protocol/lane.ts';
import type { Session } from '../../src/protocol/session.ts';
import { framesOf } from './arrivals.ts';

export type Role = 'entry' | 'exit';
export const ROLES = ['entry', 'exit'] as const;

/** A lane as TCP makes it, in a small world: towards either end a queue of what was written at a time. */
export class SmallLane {
  readonly id: number;
  /** Null for an end that is rid of the lane. */
  readonly ends: Record<Role, Lane | null>;
  /** What is under way to that end. */
  readonly queues: Readonly<Record<Role, Uint8Array[]>> = { entry: [], exit: [] };

  constructor(id: number, sessions: Readonly<Record<Role, Session>>, now: number) {
    this.id = id;
    const port = (to: Role) => ({
      writable: true,
      send: (chunk: Chunk): void => {
        if (this.ends[to] !== null) this.queues[to].push(chunk.bytes.slice());
        chunk.release();
      },
    });
    this.ends = { entry: null, exit: null };
    this.ends.entry = sessions.entry.addLane(id, port('exit'), now);
    this.ends.exit = sessions.exit.addLane(id, port('entry'), now);
  }

  /** Both ends have it. */
  get isWhole(): boolean {
    return this.ends.entry !== null && this.ends.exit !== null;
  }

  get isGone(): boolean {
    return this.ends.entry === null && this.ends.exit === null;
  }

  /** Nothing is under way, not even the lane's end. */
  get isQuiet(): boolean {
    return ROLES.every((role) => !this.hasFor(role));
  }

  /** Bytes, or the lane's end, can arrive at this end. */
  hasFor(to: Role): boolean {
    return this.ends[to] !== null && (this.queues[to].length > 0 || !this.isWhole);
  }

  /** A part of what arrives next means something: a frame, or the header of data. */
  isDivisible(to: Role): boolean {
    const first = this.queues[to][0];
    if (first === undefined) return false;
    const [frame, ...more] = framesOf(first);
    return more.length > 0 || frame!.type === FrameType.DATA;
  }

  /** What arrives next; null for the lane's end. */
  take(to: Role): Uint8Array | null {
    return this.queues[to].shift() ?? null;
  }

  lose(to: Role): void {
    this.queues[to].length = 0;
  }

  /** @returns the end, for its session to remove; null if that has happened */
  leave(role: Role): Lane | null {
    const end = this.ends[role];
    this.ends[role] = null;
    this.lose(role);
    return end;
  }
}
