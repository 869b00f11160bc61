import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * What `net.Socket` can do and does not offer. Node takes reads into the caller's memory (`onread`)
 * only for sockets that it dials itself; here, any socket is made to do so, a TLS socket too. Tested on
 * Node 20, 22 and 24.
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
  readonly _handle: Handle | null;
}

/**
 * Makes a paused socket, above TLS or not, read as `onRead` says. What came before is left in `socket`,
 * to be read from there. False, with nothing changed, if this Node or this socket can't do that; then
 * 'data' events still work.
 */
export function divert(socket: Duplex, onRead: OnRead): boolean {
  // Stated cast: the fields are Node's own and undocumented; they are looked at before they are relied on.
  const inside = socket as unknown as SocketInside & Record<symbol, unknown>;
  const fields = fieldsOf(socket);
  if (fields === null || !isHandle(inside._handle) || socket.destroyed) return false;
  if (inside[fields.buffer] !== null) return false;
  const first = onRead.buffer();
  inside[fields.buffer] = first;
  inside[fields.callback] = onRead.callback;
  inside[fields.generator] = onRead.buffer;
  inside._handle.useUserBuffer(first);
  return true;
}

interface Fields {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

/** The symbols are the same for all sockets, so the first one that has them tells. */
let known: Fields | null = null;

function fieldsOf(socket: Duplex): Fields | null {
  if (known !== null && known.buffer in socket) return known;
  const [buffer, callback, generator] = ON_READ_FIELDS.map((name) =>
    Object.getOwnPropertySymbols(socket).find(({ description }) => description === name),
  );
  if (buffer === undefined || callback === undefined || generator === undefined) return null;
  known = { buffer, callback, generator };
  return known;
}

/**
 * False if the kernel says that the connection is gone. It is for sockets below TLS, where nothing may
 * be written to find out: TLS would take the end of that write for the end of its own.
 */
export function isConnected(socket: Socket): boolean {
  // Stated cast: see `divert`.
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
