import type { Chunk } from '../core/chunk.ts';
import { ProtocolViolation } from '../core/errors.ts';
import { ZERO } from '../core/zero.ts';
import type { Channel } from './channel.ts';
import type { ReceiveHalf } from './receive-half.ts';
import type { ReceiveWindow } from './receive-window.ts';
import type { Transmitter } from './transmitter.ts';

/** The largest window of one channel, and the share of the session window that grown ones may fill. */
const MAX_WINDOW = 32 * 1024 * 1024;
const GROWN_SHARE = 0.75;
/** A new channel's window takes this share of what is left to grow into, up to this size. */
const FIRST_SHARE = 1 / 64;
const MAX_FIRST_WINDOW = 1024 * 1024;

/**
 * The way of received bytes: from a frame, through the channel's order and window, to its handler,
 * and the credit back to the sender.
 *
 * The session window bounds the sum over all channels. The smallest window of a channel is not
 * reserved; what it has beyond that, it takes from a reserved share, so readers that stop cannot take
 * the room of others. New channels get some of it at once, so that a transfer over many lanes does not
 * spend its first round trips on growing.
 */
export class Delivery {
  readonly #window: ReceiveWindow;
  readonly #transmitter: Transmitter;
  readonly #initialWindow: number;
  /** The longest round trip of the session's lanes, ms. */
  readonly #rtt: () => number;
  #announced = ZERO;
  /** Bytes by which windows have grown beyond the first size. */
  #grown = 0;
  #heldBytes = ZERO;
  duplicateBytes = ZERO;
  payloadBytes = ZERO;

  /** `rtt`: the longest round trip of the session's lanes, ms. */
  constructor(
    window: ReceiveWindow,
    transmitter: Transmitter,
    initialWindow: number,
    rtt: () => number,
  ) {
    this.#window = window;
    this.#transmitter = transmitter;
    this.#initialWindow = initialWindow;
    this.#rtt = rtt;
  }

  /** Bytes held until a hole before them is filled, or their reader resumes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The sum, over all channels, of the highest offsets that the peer has announced. */
  get announced(): number {
    return this.#announced;
  }

  /** How much of that the applications have taken, or nobody wants any more. */
  get consumed(): number {
    return this.#window.consumed;
  }

  /** The size of a new channel's window, reserved with this call; `forget` gives it back. */
  firstWindow(): number {
    const free = Math.max(0, this.#window.size * GROWN_SHARE - this.#grown);
    const most = Math.max(0, MAX_FIRST_WINDOW - this.#initialWindow);
    const extra = Math.min(most, Math.floor(free * FIRST_SHARE));
    this.#grown += extra;
    return this.#initialWindow + extra;
  }

  /** A DATA frame of the channel begins. @throws {ProtocolViolation} if it breaks a window */
  announce(channel: Channel, offset: number, length: number, fin: boolean): void {
    this.#count(channel.receive.announce(offset, length, fin));
    if (fin) this.settle(channel);
  }

  /** Takes over a piece of the channel's data. @throws {ProtocolViolation} for too many pieces */
  insert(channel: Channel, offset: number, piece: Chunk, now: number): void {
    const { receive } = channel;
    if (receive.state !== 'open') piece.release();
    else if (!channel.isPaused && receive.bypass(offset, piece.length)) {
      this.#hand(channel, piece, now);
      if (receive.isAtEnd) this.pump(channel, now);
    } else {
      this.#hold(receive, offset, piece);
      if (receive.isReady || receive.isAtEnd) this.pump(channel, now);
    }
  }

  #hold(receive: ReceiveHalf, offset: number, piece: Chunk): void {
    const { heldBytes, duplicateBytes } = receive;
    receive.insert(offset, piece);
    this.#heldBytes += receive.heldBytes - heldBytes;
    this.duplicateBytes += receive.duplicateBytes - duplicateBytes;
  }

  /** Hands over what is in order, while the reader wants it, and then the FIN. */
  pump(channel: Channel, now: number): void {
    const { receive } = channel;
    while (!channel.isPaused && receive.state === 'open') {
      const chunk = receive.shift();
      if (chunk === null) break;
      this.#heldBytes -= chunk.length;
      this.#hand(channel, chunk, now);
    }
    if (!channel.isPaused && receive.state === 'open' && receive.isAtEnd) {
      receive.state = 'done';
      channel.handler.onFin();
    }
  }

  /** The reader is gone: what is held and what still comes is thrown away. */
  discard(channel: Channel): void {
    const { receive } = channel;
    this.#heldBytes -= receive.heldBytes;
    receive.discard();
    this.settle(channel);
  }

  /** The peer's direction ends at `offset`. @throws {ProtocolViolation} on contradiction */
  end(channel: Channel, offset: number): void {
    channel.receive.setFinal(offset);
    this.#count(channel.receive.raise(offset));
    this.settle(channel);
  }

  /** Once the final offset of a discarded direction is known, all of it counts as consumed. */
  settle(channel: Channel): void {
    const { receive } = channel;
    if (receive.state !== 'discarding' || receive.finalOffset === null) return;
    receive.state = 'done';
    this.#credit(receive.finalOffset - receive.window.consumed);
  }

  /** The channel is gone; its share of the windows is free again. */
  forget(channel: Channel): void {
    this.#grown -= Math.max(0, channel.receive.window.size - this.#initialWindow);
  }

  #hand(channel: Channel, chunk: Chunk, now: number): void {
    const { window } = channel.receive;
    const { length } = chunk;
    this.payloadBytes += length;
    this.#credit(length);
    const isDue = window.consume(length);
    if (window.isHalfUsed(now)) this.#grow(window, now);
    if ((isDue || window.isStale) && channel.receive.finalOffset === null) {
      this.#transmitter.postWindow(channel);
    }
    channel.handler.onChunk(chunk);
  }

  #grow(window: ReceiveWindow, now: number): void {
    const wanted = window.wanted(this.#mostFor(window), this.#rtt(), now);
    this.#grown += wanted - window.size;
    window.grow(wanted);
  }

  #mostFor(window: ReceiveWindow): number {
    const free = this.#window.size * GROWN_SHARE - this.#grown;
    return Math.min(MAX_WINDOW, window.size + Math.max(0, Math.floor(free / 2)));
  }

  #count(rise: number): void {
    this.#announced += rise;
    if (this.#announced > this.#window.limit) {
      throw new ProtocolViolation(
        'WINDOW_EXCEEDED',
        `${this.#announced} in the session, beyond ${this.#window.limit}`,
      );
    }
  }

  #credit(bytes: number): void {
    if (this.#window.consume(bytes)) this.#transmitter.postSessionWindow();
  }
}
