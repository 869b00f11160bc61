import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * The one file that touches what `net.Socket` does not offer. Node takes reads into the caller's
 * memory (`onread`) only for sockets that it dials itself; an accepted or already connected socket
 * gets there by moving its handle to a new `net.Socket`. Tested on Node 20, 22 and 24.
 */
export interface OnRead {
  /** Asked for the place of the next read: at the start, and after each callback. */
  readonly buffer: () => Uint8Array;
  readonly callback: (length: number) => boolean;
}

/** The names of `net.Socket`'s fields for `onread`. */
const ON_READ_FIELDS = ['kBuffer', 'kBufferCb', 'kBufferGen'] as const;

/** A handle as far as we rely on it. */
interface Handle {
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
  getpeername?(out: object): number;
}

interface SocketInside {
  _handle: Handle | null;
  _server?: unknown;
  server?: unknown;
}

/**
 * A paused socket over the connection of `socket`, which reads as `onRead` says. `socket` itself is
 * left empty and destroyed. Null, with nothing changed, if this Node or this socket can't do that;
 * then 'data' events still work.
 */
export function adopt(socket: Socket, onRead: OnRead): Socket | null {
  // Stated cast: the fields are Node's own and undocumented; `isHandle` checks what is there.
  const from = socket as unknown as SocketInside;
  const handle = from._handle;
  if (!isHandle(handle) || !isUntouched(socket)) return null;
  from._handle = null;
  // Stated cast: `handle` is what `net.Server` itself passes.
  const options = {
    handle,
    onread: onRead,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    // Writes are bounded by their owner, who watches `writableLength`; 'drain' events would be waste.
    writableHighWaterMark: Number.MAX_SAFE_INTEGER,
  } as ConstructorParameters<typeof Socket>[0];
  const adopted = new Socket(options); // begins to read, so that a later resume() needs no first read
  adopted.pause();
  // A server counts its open connections by this field, and closes when the count is nought.
  const to = adopted as unknown as SocketInside;
  to._server = from._server;
  to.server = from.server;
  from._server = null;
  from.server = null;
  socket.destroy();
  return adopted;
}

/**
 * Makes a TLS socket read as `onRead` says: Node has that option only for the TLS sockets that it dials
 * itself. What came before is left in `socket`, to be read from there. False, with nothing changed, if
 * this Node can't do that.
 */
export function divert(socket: Duplex, onRead: OnRead): boolean {
  // Stated cast: as in `adopt`, fields of Node's own, looked at before they are relied on.
  const inside = socket as unknown as SocketInside & Record<symbol, unknown>;
  const fields = ON_READ_FIELDS.map((name) =>
    Object.getOwnPropertySymbols(socket).find(({ description }) => description === name),
  );
  const [buffer, callback, generator] = fields;
  if (buffer === undefined || callback === undefined || generator === undefined) return false;
  if (!isHandle(inside._handle) || inside[buffer] !== null || socket.destroyed) return false;
  const first = onRead.buffer();
  inside[buffer] = first;
  inside[callback] = onRead.callback;
  inside[generator] = onRead.buffer;
  inside._handle.useUserBuffer(first);
  return true;
}

/**
 * False if the kernel says that the connection is gone. It is for sockets below TLS, where nothing may
 * be written to find out: TLS would take the end of that write for the end of its own.
 */
export function isConnected(socket: Socket): boolean {
  // Stated cast: see `adopt`.
  const handle = (socket as unknown as SocketInside)._handle;
  if (handle === null) return false;
  return handle.getpeername === undefined || handle.getpeername({}) === 0;
}

/**
 * Sends RST and closes. What is not TCP knows no RST: its peer sees an end, and errors when it writes.
 * Errors that follow are the caller's to ignore. `above` is the TLS socket that uses `socket`, if one
 * does.
 */
export function reset(socket: Duplex, above: Duplex = socket): void {
  // TLS may be at work on this very stack, in native code that outlives neither handle.
  if (above !== socket && !above.destroyed) {
    above.pause();
    setImmediate(() => resetNow(socket, above));
  } else resetNow(socket, above);
}

function resetNow(socket: Duplex, above: Duplex): void {
  // Between shutdown() and its completion libuv refuses to reset, and Node then leaks the handle.
  const isShuttingDown =
    above.writableEnded && !above.writableFinished && above.writableLength === 0;
  if (isShuttingDown && !above.destroyed) {
    above.pause();
    above.once('finish', () => reset(socket, above));
    return;
  }
  try {
    if (socket instanceof Socket) socket.resetAndDestroy();
    else socket.destroy();
  } catch {
    socket.destroy(); // its handle is not TCP
  }
  if (above !== socket) above.destroy();
}

function isHandle(handle: Handle | null | undefined): handle is Handle {
  return (
    typeof handle?.useUserBuffer === 'function' &&
    typeof handle.readStart === 'function' &&
    typeof handle.readStop === 'function'
  );
}

/** True if no byte and no state would stay behind in the old object. */
function isUntouched(socket: Socket): boolean {
  return (
    socket.constructor === Socket &&
    !socket.connecting &&
    !socket.destroyed &&
    socket.readable &&
    socket.writable &&
    socket.readableLength === 0 &&
    socket.writableLength === 0
  );
}
