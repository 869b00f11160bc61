import type { Chunk } from '../core/chunk.ts';
import type { SlabPool } from '../data/slab-pool.ts';
import { BareReader } from '../sys/bare-reader.ts';
import type { BareSink, BareSocket } from '../sys/bare-socket.ts';
import { BareWriter } from '../sys/bare-writer.ts';
import { causeOf } from './broken-cause.ts';
import { BrokenPipe, type Pipe, type PipeHandler } from './pipe.ts';

/** A pipe over a bare socket; `tcpPipe` makes it. */
export class BarePipe implements Pipe, BareSink {
  readonly #socket: BareSocket;
  readonly #reader: BareReader;
  readonly #writer: BareWriter;
  #handler: PipeHandler | null = null;
  #isAlive = true;
  #fin: 'none' | 'queued' | 'sent' = 'none';
  /** Why it broke, if that was before anybody listened. */
  #cause: BrokenPipe | null = null;

  /** `limit`: bytes that may wait for the kernel. `slab`: see `tcpPipe`. */
  constructor(socket: BareSocket, pool: SlabPool, limit: number, slab: number) {
    this.#socket = socket;
    this.#reader = new BareReader(socket, pool, slab, {
      onChunk: (chunk) => this.#handler!.onChunk(chunk),
      onEnd: () => this.#onFin(),
    });
    this.#writer = new BareWriter(socket, {
      limit,
      onDrain: () => {
        if (this.writable) this.#handler!.onDrain();
      },
      onEmptied: () => {
        if (this.#reader.hasEnded && socket.isExclusive) socket.conclude();
        else socket.shutdown();
      },
    });
    socket.open(this);
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler;
    const cause = this.#cause;
    if (cause !== null) process.nextTick(() => this.#handler?.onBroken(cause));
  }

  get writable(): boolean {
    return this.#isAlive && this.#fin === 'none' && !this.#writer.isCongested;
  }

  send(chunk: Chunk, more = false): boolean {
    if (!this.writable) return false;
    this.#writer.write(chunk, more);
    return true;
  }

  sendFin(): void {
    if (!this.#isAlive || this.#fin !== 'none') return;
    this.#fin = 'queued';
    this.#reader.noteFin();
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
    this.#end();
    this.#socket.reset();
  }

  place(): Uint8Array {
    return this.#reader.place();
  }

  onRead(length: number): void {
    this.#reader.landed(length);
  }

  onEnd(): void {
    if (this.#reader.end()) return;
    this.#break(new BrokenPipe('reset', 'the peer reset the connection'));
  }

  onWritten(): void {
    this.#writer.written();
  }

  onFinSent(): void {
    this.#fin = 'sent';
    // First, so that the FIN is out whatever the handler does.
    this.#closeIfEnded();
    this.#handler!.onFinSent();
  }

  onError(error: NodeJS.ErrnoException): void {
    this.#break(causeOf(error));
  }

  onClosed(): void {
    this.#writer.free();
  }

  #onFin(): void {
    this.#handler!.onFin();
    this.#closeIfEnded();
  }

  #closeIfEnded(): void {
    if (!this.#isAlive || this.#fin !== 'sent' || !this.#reader.hasEnded) return;
    this.#end();
    this.#socket.close();
  }

  #break(cause: BrokenPipe): void {
    this.#end();
    this.#socket.close();
    if (this.#handler === null) this.#cause = cause;
    else this.#handler.onBroken(cause);
  }

  #end(): void {
    this.#isAlive = false;
    this.#reader.stop();
  }
}
