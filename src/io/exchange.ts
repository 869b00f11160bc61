import { Chunk } from '../core/chunk.ts';
import type { Clock, Timer } from '../loop/clock.ts';
import { MAX_HANDSHAKE_BYTES } from '../protocol/handshake.ts';
import type { BrokenPipe, Pipe, PipeHandler } from './pipe.ts';

/** A handshake did not come to its end; the pipe is gone. */
export class ExchangeFailed extends Error {
  override readonly name = 'ExchangeFailed';
  readonly kind: 'closed' | 'timeout' | 'malformed';

  constructor(kind: ExchangeFailed['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

interface Wanted {
  /** The length of the message that begins with the bytes, or null while it is unknown; may throw. */
  readonly lengthOf: (bytes: Uint8Array) => number | null;
  readonly resolve: (message: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The few messages that two ends exchange on a pipe before it becomes a lane: read whole, bounded in
 * size and in time. Whatever goes wrong aborts the pipe.
 */
export class Exchange implements PipeHandler {
  readonly #pipe: Pipe;
  readonly #timer: Timer;
  readonly #signal: AbortSignal | undefined;
  #bytes = new Uint8Array(0);
  #wanted: Wanted | null = null;
  #failure: ExchangeFailed | null = null;

  /** `timeout`: for the whole exchange, ms. `signal` ends it before that. */
  constructor(pipe: Pipe, clock: Clock, timeout: number, signal?: AbortSignal) {
    this.#pipe = pipe;
    this.#signal = signal;
    pipe.attach(this);
    pipe.resume();
    this.#timer = clock.at(clock.now() + timeout, () =>
      this.#fail('timeout', `no handshake within ${timeout / 1000} s`),
    );
    signal?.addEventListener('abort', this.#giveUp);
    if (signal?.aborted) this.#giveUp();
  }

  write(bytes: Uint8Array): void {
    if (this.#failure === null && !this.#pipe.send(new Chunk(bytes))) {
      this.#fail('closed', 'the connection does not take the handshake');
    }
  }

  /** The next message. @throws {ExchangeFailed} */
  read(lengthOf: Wanted['lengthOf']): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      this.#wanted = { lengthOf, resolve, reject };
      this.#serve();
    });
  }

  /**
   * The handshake is done: the pipe is paused and free for its next handler.
   * @returns what arrived behind the last message
   * @throws {ExchangeFailed} if the pipe has ended behind it
   */
  finish(): Chunk | null {
    if (this.#failure !== null) throw this.#failure;
    this.#disarm();
    this.#pipe.pause();
    const rest = this.#bytes;
    this.#bytes = new Uint8Array(0);
    return rest.length > 0 ? new Chunk(rest) : null;
  }

  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  abort(): void {
    this.#disarm();
    this.#pipe.abort();
  }

  onChunk(chunk: Chunk): void {
    const bytes = new Uint8Array(this.#bytes.length + chunk.length);
    bytes.set(this.#bytes, 0);
    bytes.set(chunk.bytes, this.#bytes.length);
    chunk.release();
    this.#bytes = bytes;
    this.#serve();
    // The peer may send its first frames at once, but not without end before it is known.
    if (this.#bytes.length > MAX_HANDSHAKE_BYTES) this.#pipe.pause();
  }

  onFin(): void {
    this.#fail('closed', 'the peer closed the connection during the handshake');
  }

  onDrain(): void {}

  onFinSent(): void {}

  onBroken(cause: BrokenPipe): void {
    this.#fail('closed', cause.message, { cause });
  }

  readonly #giveUp = (): void => this.#fail('closed', 'this end closes');

  #disarm(): void {
    this.#timer.cancel();
    this.#signal?.removeEventListener('abort', this.#giveUp);
  }

  #serve(): void {
    const wanted = this.#wanted;
    if (wanted === null) return;
    try {
      const length = wanted.lengthOf(this.#bytes);
      if (length === null || this.#bytes.length < length) return;
      const message = this.#bytes.slice(0, length);
      this.#bytes = this.#bytes.slice(length);
      this.#wanted = null;
      wanted.resolve(message);
    } catch (error) {
      this.#fail('malformed', error instanceof Error ? error.message : String(error));
    }
  }

  #fail(kind: ExchangeFailed['kind'], message: string, options?: ErrorOptions): void {
    if (this.#failure !== null) return;
    this.#failure = new ExchangeFailed(kind, message, options);
    this.abort();
    this.#wanted?.reject(this.#failure);
    this.#wanted = null;
  }
}
