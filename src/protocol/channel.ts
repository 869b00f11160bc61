import type { Chunk } from '../core/chunk.ts';
import type { ReasonName } from '../core/errors.ts';
import type { Lane } from './lane.ts';
import { ReceiveHalf } from './receive-half.ts';
import type { Control } from './segment.ts';
import { SendHalf } from './send-half.ts';

/** Who listens to a channel. Called from the session's `handle...` and `deliver` methods only. */
export interface ChannelHandler {
  /** The next bytes in order, now the handler's. They count as consumed. */
  onChunk(chunk: Chunk): void;
  /** The peer's direction is complete. */
  onFin(): void;
  /** The send queue has room again. */
  onDrain(): void;
  /** The peer has acknowledged everything up to our FIN. */
  onFinAcked(): void;
  /** The peer's end has reached its target; data may have come before. */
  onOpened(): void;
  /** The channel is dead: RST. The last call. */
  onReset(reason: ReasonName): void;
}

const nobody: ChannelHandler = {
  onChunk: (chunk) => chunk.release(),
  onFin() {},
  onDrain() {},
  onFinAcked() {},
  onOpened() {},
  onReset() {},
};

/** The numbers of the `OnceQueue`s in which channels wait. */
export const ChannelQueue = { owed: 0, windows: 1, shortened: 2, line: 3 } as const;

/**
 * One application connection inside a session: two independent halves under one id. Verbs are the
 * session's; this holds the state that they share.
 */
export class Channel {
  readonly id: number;
  readonly send: SendHalf;
  readonly receive: ReceiveHalf;
  handler: ChannelHandler = nobody;
  isPaused = true;
  /**
   * Until the peer shows that it knows the channel, all its frames follow OPEN on one lane, so that
   * data cannot arrive before it. Null: not sent yet; 'any': the peer knows it.
   */
  openLane: Lane | 'any' | null;
  /** The OPEN itself, until it is acknowledged. */
  opening: Control | null = null;
  /** Set while the application waits for `onDrain`. */
  isCongested = false;
  /** The application has heard that the target answered. */
  isOpened = false;
  /** RST was sent or received: no verb has an effect any more. */
  isReset = false;
  /** Calls that its handler is owed. */
  owesDrain = false;
  owesFinAcked = false;
  /** True while in the session's list of channels that have something new to send. */
  isActive = false;
  /** The session's `OnceQueue`s in which it waits. */
  waits = 0;

  constructor(id: number, options: { sendLimit: number; receiveWindow: number; isKnown: boolean }) {
    this.id = id;
    this.send = new SendHalf(this, options.sendLimit);
    this.receive = new ReceiveHalf(options.receiveWindow);
    this.openLane = options.isKnown ? 'any' : null;
  }

  /** Nothing more will be said in either direction. */
  get isDone(): boolean {
    return this.send.state === 'done' && this.receive.state === 'done';
  }

  /** All bytes of both directions are where they should be, though some may wait for this end's reader. */
  get isComplete(): boolean {
    const { send, receive } = this;
    return send.state === 'done' && (receive.state === 'done' || receive.hasAll);
  }

  detach(): void {
    this.handler = nobody;
  }
}
