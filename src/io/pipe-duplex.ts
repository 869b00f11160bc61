import type { Duplex } from 'node:stream';
import type { Chunk } from '../core/chunk.ts';
import type { ReadSink, SocketReader } from '../sys/socket-reader.ts';
import type { SocketWriter } from '../sys/socket-writer.ts';
import { causeOf } from './broken-cause.ts';
import type { BrokenPipe, Pipe, PipeHandler } from './pipe.ts';

/** What differs between the kinds of Node `Duplex` that carry a pipe. */
export interface DuplexParts {
  reader(sink: ReadSink): SocketReader;
  writer(onDrain: () => void): SocketWriter;
  /** Sends RST, or what comes nearest, and closes. */
  reset(): void;
}

/** A pipe over any Node `Duplex`; `tcpPipe`, `tlsPipe` and `pipeFromDuplex` make them. */
export class DuplexPipe implements Pipe {
  readonly #socket: Duplex;
  readonly #reader: SocketReader;
  readonly #writer: SocketWriter;
  readonly #reset: () => void;
  #handler: PipeHandler | null = null;
  #isAlive = true;
  #isFinQueued = false;
  /** Why it broke, if that was before anybody listened. */
  #cause: BrokenPipe | null = null;

  constructor(socket: Duplex, parts: DuplexParts) {
    this.#socket = socket;
    this.#reader = parts.reader({
      onChunk: (chunk) => this.#handler!.onChunk(chunk),
      onEnd: () => this.#handler!.onFin(),
    });
    this.#writer = parts.writer(() => {
      if (this.writable) this.#handler!.onDrain();
    });
    this.#reset = parts.reset;
    this.#socket.on('finish', () => {
      if (this.#isAlive) this.#handler!.onFinSent();
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#break(causeOf(error)));
    this.#socket.on('close', () => this.#onClose());
    if (this.#socket.destroyed) this.#break(causeOf(this.#socket.errored ?? closed()));
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
    const cause = this.#cause;
    if (cause !== null) process.nextTick(() => this.#handler?.onBroken(cause));
  }

  get writable(): boolean {
    return this.#isAlive && !this.#isFinQueued && !this.#writer.isCongested;
  }

  send(chunk: Chunk, more = false): boolean {
    if (!this.writable) return false;
    this.#writer.write(chunk, more);
    return true;
  }

  sendFin(): void {
    if (!this.#isAlive || this.#isFinQueued) return;
    this.#isFinQueued = true;
    this.#writer.end();
  }

  pause(): void {
    if (this.#isAlive) this.#reader.pause();
  }

  resume(): void {
    if (this.#isAlive) this.#reader.resume();
  }

  abort(): void {
    this.#cause = null;
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#reader.stop();
    // A connection that has ended both ways closes by itself; an RST would destroy its last bytes.
    if (!this.#hasEnded) this.#reset();
  }

  get #hasEnded(): boolean {
    return this.#socket.readableEnded && this.#socket.writableFinished;
  }

  #break(cause: BrokenPipe): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#reader.stop();
    this.#socket.destroy();
    if (this.#handler === null) this.#cause = cause;
    else this.#handler.onBroken(cause);
  }

  #onClose(): void {
    this.#writer.free();
    if (!this.#hasEnded) this.#break(causeOf(closed()));
  }
}

function closed(): Error {
  return new Error('it was closed from this side');
}
