import type { Chunk } from '../core/chunk.ts';
import { Reason, type ReasonName } from '../core/errors.ts';
import type { Channel, ChannelHandler } from '../protocol/channel.ts';
import { BrokenPipe, type Pipe, type PipeHandler } from './pipe.ts';
import type { Trunk } from './trunk.ts';

/** One channel of a session as a pipe: its bytes travel striped over all lanes of the trunk. */
export class StripedPipe implements Pipe, ChannelHandler {
  readonly #trunk: Trunk;
  #channel: Channel | null = null;
  #handler: PipeHandler | null = null;
  #isFinQueued = false;
  #isOver = false;

  constructor(trunk: Trunk) {
    this.#trunk = trunk;
  }

  /** Called once by the trunk. */
  bind(channel: Channel): void {
    this.#channel = channel;
  }

  get id(): number {
    return this.#channel!.id;
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
  }

  get writable(): boolean {
    return !this.#isOver && !this.#isFinQueued && !this.#channel!.isCongested;
  }

  send(chunk: Chunk): boolean {
    if (!this.writable) return false;
    const { length } = chunk;
    const trunk = this.#trunk;
    const now = trunk.now();
    trunk.session.write(this.#channel!, chunk, now);
    trunk.kick(length, now);
    trunk.session.mustWait(this.#channel!);
    return true;
  }

  sendFin(): void {
    if (this.#isFinQueued || this.#isOver) return;
    this.#isFinQueued = true;
    this.#trunk.session.finish(this.#channel!, this.#trunk.now());
    this.#trunk.kick();
  }

  pause(): void {
    if (!this.#isOver) this.#trunk.session.pause(this.#channel!);
  }

  resume(): void {
    if (this.#isOver) return;
    this.#trunk.session.resume(this.#channel!);
    this.#trunk.kick();
  }

  abort(): void {
    this.refuse('RESET');
  }

  /** The target of this channel has answered. */
  accept(): void {
    if (this.#isOver) return;
    this.#trunk.session.accept(this.#channel!);
    this.#trunk.kick();
  }

  /** Ends the channel with a reason; `isOpening`: its target was never reached. */
  refuse(reason: ReasonName, isOpening = false): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { session } = this.#trunk;
    if (isOpening) session.refuse(this.#channel!, reason);
    else session.reset(this.#channel!, reason);
    this.#trunk.kick();
  }

  onChunk(chunk: Chunk): void {
    if (this.#handler === null) chunk.release();
    else this.#handler.onChunk(chunk);
  }

  onFin(): void {
    this.#handler?.onFin();
  }

  onDrain(): void {
    this.#handler?.onDrain();
  }

  onFinAcked(): void {
    this.#handler?.onFinSent();
  }

  onOpened(): void {}

  onReset(reason: ReasonName): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const kind = Reason[reason].scope === 'channel' ? 'reset' : 'lost';
    this.#handler?.onBroken(new BrokenPipe(kind, Reason[reason].text));
  }
}
