import { ProtocolViolation } from '../core/errors.ts';
import { IdSet } from '../data/id-set.ts';
import type { Channel } from './channel.ts';

/** Ids that a peer may skip at a time: OPENs overtake one another on different lanes, but not by far. */
const MAX_GAPS = 65_536;
const MAX_ID = 0xffff_ffff;

/**
 * Emptied when its channel is removed: a `Map`'s outgrown tables keep hold of what was in them (see
 * `Roster`), which is this and not the channel.
 */
interface Cell {
  channel: Channel | null;
}

/** The channels of a session, by id. Ids are chosen by the entry, rise from 1 and are never reused. */
export class Channels {
  readonly #open = new Map<number, Cell>();
  readonly #used = new IdSet(1);
  #next = 1;
  opened = 0;
  refused = 0;
  reset = 0;

  get active(): number {
    return this.#open.size;
  }

  get hasIds(): boolean {
    return this.#next <= MAX_ID;
  }

  get(id: number): Channel | undefined {
    return this.#open.get(id)?.channel ?? undefined;
  }

  *[Symbol.iterator](): IterableIterator<Channel> {
    for (const { channel } of this.#open.values()) if (channel !== null) yield channel;
  }

  /** True for an id that had its channel, open or gone. */
  wasUsed(id: number): boolean {
    return id > 0 && this.#used.has(id);
  }

  takeId(): number {
    const id = this.#next;
    this.#next += 1;
    this.#used.add(id);
    return id;
  }

  /** @throws {ProtocolViolation} for an id that leaves too many out */
  use(id: number): void {
    if (id === 0 || this.#used.gaps + this.#used.gapsBefore(id) > MAX_GAPS) {
      throw new ProtocolViolation('BAD_CHANNEL', `id ${id}`);
    }
    this.#used.add(id);
  }

  add(channel: Channel): void {
    this.#open.set(channel.id, { channel });
    this.opened += 1;
  }

  /** @returns false if it was removed before */
  remove(channel: Channel): boolean {
    const cell = this.#open.get(channel.id);
    if (cell !== undefined) cell.channel = null;
    return this.#open.delete(channel.id);
  }
}
