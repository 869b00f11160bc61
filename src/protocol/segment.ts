import type { Chunk } from '../core/chunk.ts';
import type { Channel } from './channel.ts';
import type { Flight, Lane } from './lane.ts';

/**
 * A range of a channel's bytes on its way to the peer. It is kept until one lane acknowledges it.
 *
 * Invariant: a segment that is not acknowledged is carried by a live lane or queued for re-sending.
 */
export class Segment {
  readonly kind = 'data';
  readonly channel: Channel;
  readonly offset: number;
  readonly length: number;
  readonly fin: boolean;
  /** Null for a bare FIN, and once the bytes are no longer needed. */
  chunk: Chunk | null;
  isAcked = false;
  /** Lanes that have it in flight. */
  carriers = 0;
  isQueued = false;
  /** How often it was sent, the lane that took it last, and as what. */
  sends = 0;
  lane: Lane | null = null;
  flight: Flight | null = null;
  /** Sent ahead of bulk, because its channel sends little. */
  isSparse = false;
  /** The pieces that it was cut into for re-sending on slower lanes; they are tracked in its stead. */
  parts: readonly [Segment, Segment] | null = null;

  constructor(channel: Channel, offset: number, chunk: Chunk | null, fin: boolean) {
    this.channel = channel;
    this.offset = offset;
    this.length = chunk === null ? 0 : chunk.length;
    this.chunk = chunk;
    this.fin = fin;
  }

  get end(): number {
    return this.offset + this.length;
  }

  /** Cuts off the first `length` bytes for a lane that is slower than the first one. */
  split(length: number): readonly [Segment, Segment] {
    const chunk = this.chunk!;
    const head = new Segment(this.channel, this.offset, chunk.slice(0, length), false);
    const tail = new Segment(
      this.channel,
      this.offset + length,
      chunk.slice(length, this.length),
      this.fin,
    );
    // The memory before the tail may still be on its way, and the head's room holds a sent header.
    for (const part of [head, tail]) {
      part.sends = 1;
      part.isSparse = this.isSparse;
      part.lane = this.lane;
    }
    this.parts = [head, tail];
    this.channel.send.onSplit();
    this.drop();
    return this.parts;
  }

  /** Gives the memory back. */
  drop(): void {
    this.chunk?.release();
    this.chunk = null;
  }
}

/** A frame other than DATA that must arrive: kept until acknowledged, sent again when a lane is lost. */
export class Control {
  readonly kind = 'control';
  readonly frame: Uint8Array;
  readonly channel: Channel | null;
  /** Windows are sent anew, not again; a ping only serves its own lane; data follows its OPEN. */
  readonly role: 'open' | 'window' | 'session-window' | 'ping' | 'other';
  isAcked = false;
  carriers = 0;
  isQueued = false;

  constructor(role: Control['role'], frame: Uint8Array, channel: Channel | null = null) {
    this.role = role;
    this.frame = frame;
    this.channel = channel;
  }
}

/** What a lane carries and the peer acknowledges. */
export type Item = Segment | Control;
