import { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { formatAddress } from '../core/address.ts';
import { turn } from '../loop/turn.ts';
import { bindings, type Handle, type Request } from './bindings.ts';

/** What a bare socket tells whoever uses it; never from inside a call. */
export interface BareSink {
  /** The place of the next read: asked for at first, and after each read. */
  place(): Uint8Array;
  /** `length` bytes were read to the place. */
  onRead(length: number): void;
  /** The peer's FIN, or what looks like it: see `isConnected`. Nothing is read after it. */
  onEnd(): void;
  /** What `write()` left over is with the kernel now, and its memory is free. */
  onWritten(): void;
  onFinSent(): void;
  /** Nothing follows but `onClosed`, after `close()`. */
  onError(error: NodeJS.ErrnoException): void;
  /** The system uses no memory of this connection any more. */
  onClosed(): void;
}

/** A connected socket, bare where this Node allows it. */
export type AnySocket = Socket | BareSocket;

/**
 * A connected TCP or unix socket without a `net.Socket` around it: bytes are read to where the reader
 * wants them, and a write that the kernel takes at once leaves nothing behind.
 */
export class BareSocket {
  /**
   * For the next write, of whatever socket. One that was under way is of no more use: Node clings to it until
   * after its callback.
   */
  static #spare: Request | null = null;
  /** Closing it ends the connection. */
  readonly isExclusive: boolean;
  readonly #handle: Handle;
  readonly #onGone: (() => void) | undefined;
  #sink: BareSink | null = null;
  #isReading = false;
  #isWriting = false;
  #isShuttingDown = false;
  #isFinSent = false;
  #state: 'open' | 'resetting' | 'closed' = 'open';

  /**
   * The connection of `socket`, which nobody has read or written, and which is not to be used any more;
   * null, with nothing changed, if it can't be had.
   */
  static from(socket: Socket): BareSocket | null {
    // Stated cast: the field is Node's own; it is looked at before it is relied on.
    const inside = socket as unknown as { _handle: unknown };
    const handle = inside._handle;
    if (!isUntouched(socket)) return null;
    if (!bindings()?.isHandle(handle)) return null;
    inside._handle = null;
    handle.readStop();
    // Connections are handed from process to process as sockets, and the giver holds on to them for a while.
    return new BareSocket(handle, () => socket.destroy(), false);
  }

  /**
   * `onGone` is called when the connection is closed and its descriptor free. `isExclusive`: no other process has
   * a descriptor of it, as one would that has handed it over.
   */
  constructor(handle: Handle, onGone?: () => void, isExclusive = true) {
    this.#handle = handle;
    this.#onGone = onGone;
    this.isExclusive = isExclusive;
    handle.owner = this;
  }

  /** Where it comes from, as `HOST:PORT`; a unix socket has no name to tell. */
  get peer(): string {
    const { address, port } = this.#peerName() ?? {};
    if (address === undefined || port === undefined) return 'unnamed';
    return formatAddress({ kind: 'tcp', host: address, port });
  }

  /**
   * False if the kernel says that the connection is gone, though reading may have shown a plain end: Node
   * before 24 hides an RST behind a short read. Once our FIN has left it can't tell.
   */
  get isConnected(): boolean {
    if (this.#isFinSent || this.#handle.getpeername === undefined) return true;
    return this.#peerName() !== null;
  }

  /** Says who listens; called once, before all that follows. */
  open(sink: BareSink): void {
    this.#sink = sink;
    this.#handle.onread = BareSocket.#onRead;
    this.#handle.useUserBuffer(sink.place());
  }

  startReading(): void {
    if (this.#state !== 'open' || this.#isReading) return;
    this.#isReading = true;
    this.#check('read', this.#handle.readStart());
  }

  stopReading(): void {
    if (this.#state !== 'open' || !this.#isReading) return;
    this.#isReading = false;
    this.#handle.readStop();
  }

  /**
   * Not while a write is under way.
   * @returns true if the kernel took all; otherwise `onWritten` follows, and the memory is in use until
   * then or until `onClosed`
   */
  write(bytes: Uint8Array): boolean {
    if (this.#state !== 'open') return false;
    const request = BareSocket.#takeSpare();
    return this.#isTaken(request, this.#handle.writeBuffer(request, bytes));
  }

  /** As `write()`, several pieces in their order. */
  writeAll(pieces: readonly Uint8Array[]): boolean {
    if (this.#state !== 'open') return false;
    const request = BareSocket.#takeSpare();
    return this.#isTaken(request, this.#handle.writev(request, pieces, true));
  }

  /** FIN; not while a write is under way. Of a connection that was reset it shows that. */
  shutdown(): void {
    if (this.#state !== 'open') return;
    const request = new (bindings()!.ShutdownRequest)();
    request.owner = this;
    request.oncomplete = BareSocket.#onShutdown;
    const error = this.#handle.shutdown(request);
    this.#isShuttingDown = error === 0;
    this.#check('shutdown', error);
  }

  /**
   * FIN of an exclusive connection whose peer has ended and been heard of: it leaves with `close()`, for which
   * `onFinSent` is the word. One call of the system less, and one of Node's less.
   */
  conclude(): void {
    turn.atEnd(() => {
      if (this.#state !== 'open') return;
      if (this.isConnected) this.#sink!.onFinSent();
      else this.#fail('shutdown', 'ECONNRESET');
    });
  }

  /** Sends RST and closes. A unix socket knows no RST: its peer sees an end, and errors when it writes. */
  reset(): void {
    if (this.#state !== 'open') return;
    this.stopReading();
    // libuv refuses to reset while a shutdown is under way; that takes no longer than a turn.
    this.#state = 'resetting';
    if (!this.#isShuttingDown) this.#reset();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    if (this.#isWriting) {
      this.#handle.close(BareSocket.#onClosed);
      return;
    }
    // The kernel is done with it now. To be called back by Node takes longer than that.
    this.#handle.close();
    turn.atEnd(() => this.#tellClosed());
  }

  static readonly #onRead = function (this: Handle): Uint8Array | undefined {
    const socket = this.owner as BareSocket;
    const length = bindings()!.lastRead();
    if (length === 0 || socket.#state !== 'open') return undefined;
    const sink = socket.#sink!;
    if (length > 0) {
      sink.onRead(length);
      return socket.#state === 'open' ? sink.place() : undefined;
    }
    socket.stopReading();
    if (length === EOF) sink.onEnd();
    else socket.#fail('read', getSystemErrorName(length));
    return undefined;
  };

  static readonly #onWritten = function (this: Request, status: number): void {
    const socket = this.owner as BareSocket;
    socket.#isWriting = false;
    if (socket.#state !== 'open') return;
    if (status === 0) socket.#sink!.onWritten();
    else socket.#fail('write', getSystemErrorName(status));
  };

  static readonly #onShutdown = function (this: Request, status: number): void {
    const socket = this.owner as BareSocket;
    socket.#isShuttingDown = false;
    socket.#isFinSent = status === 0;
    if (socket.#state === 'resetting') socket.#reset();
    else if (socket.#state === 'closed') return;
    else if (status === 0) socket.#sink!.onFinSent();
    else socket.#fail('shutdown', shutdownError(status));
  };

  static readonly #onClosed = function (this: Handle): void {
    (this.owner as BareSocket).#tellClosed();
  };

  static #takeSpare(): Request {
    const spare = BareSocket.#spare;
    BareSocket.#spare = null;
    if (spare !== null) return spare;
    const request = new (bindings()!.WriteRequest)();
    request.oncomplete = BareSocket.#onWritten;
    return request;
  }

  #isTaken(request: Request, error: number): boolean {
    this.#check('write', error);
    if (error !== 0) return false;
    if (!bindings()!.isWriteUnderWay()) {
      BareSocket.#spare = request;
      return true;
    }
    request.owner = this;
    this.#isWriting = true;
    return false;
  }

  #tellClosed(): void {
    this.#sink?.onClosed();
    this.#onGone?.();
  }

  #reset(): void {
    this.#state = 'closed';
    const error = this.#handle.reset?.(BareSocket.#onClosed);
    if (error !== 0) this.#handle.close(BareSocket.#onClosed);
  }

  #peerName(): { address?: string; port?: number } | null {
    const name = {};
    return this.#handle.getpeername?.(name) === 0 ? name : null;
  }

  #check(call: string, error: number): void {
    if (error !== 0) process.nextTick(() => this.#fail(call, getSystemErrorName(error)));
  }

  #fail(call: string, code: string): void {
    if (this.#state !== 'open') return;
    this.#sink!.onError(Object.assign(new Error(`${call} ${code}`), { code }));
  }
}

/** The kernel forgets a connection with its reset, and whose it was. */
function shutdownError(status: number): string {
  const code = getSystemErrorName(status);
  return code === 'ENOTCONN' ? 'ECONNRESET' : code;
}

/** The end of a stream, in libuv's numbers. */
const EOF = -4095;

/** True for a `net.Socket` itself that is connected, and that nobody has read or written. */
function isUntouched(socket: Socket): boolean {
  return (
    socket.constructor === Socket &&
    !socket.connecting &&
    !socket.destroyed &&
    socket.readable &&
    socket.readableLength === 0 &&
    socket.writableLength === 0
  );
}
