import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { LARGE_SLAB, type SlabPool } from '../data/slab-pool.ts';
import { type AnySocket, BareSocket } from '../sys/bare-socket.ts';
import { reset } from '../sys/socket-handle.ts';
import { SocketReader } from '../sys/socket-reader.ts';
import { SocketWriter } from '../sys/socket-writer.ts';
import type { Pipe } from './pipe.ts';
import { BarePipe } from './pipe-bare.ts';
import { DuplexPipe } from './pipe-duplex.ts';

/** Bytes that may wait in a socket whose kernel buffer is full. */
const TCP_LIMIT = 64 * 1024;
/** Bytes that may wait in a TLS socket: two of the longest frames, so that it never runs dry. */
const TLS_LIMIT = 1024 * 1024;

/**
 * A pipe over a connected TCP or unix socket, which must not have been read yet and should allow
 * half-open connections. Leave it alone afterwards.
 *
 * Unix sockets have no RST: an abort looks like an end to a peer that does not write. Where connections
 * can't be bare, on Node before 24 an RST that arrives after our own FIN may show as an end, too.
 *
 * `slab`: the size of the slabs that bulk is read to; `HUGE_SLAB` suits where it comes from an application.
 */
export function tcpPipe(socket: AnySocket, pool: SlabPool, slab = LARGE_SLAB): Pipe {
  if (socket instanceof BareSocket) return new BarePipe(socket, pool, TCP_LIMIT, slab);
  const bare = BareSocket.from(socket);
  return bare === null ? socketPipe(socket) : new BarePipe(bare, pool, TCP_LIMIT, slab);
}

function socketPipe(socket: Socket): Pipe {
  socket.allowHalfOpen = true;
  return new DuplexPipe(socket, {
    reader: (sink) => new SocketReader(socket, sink),
    writer: (onDrain) =>
      new SocketWriter(socket, { limit: TCP_LIMIT, onDrain, probesBeforeFin: true }),
    reset: () => reset(socket),
  });
}

/**
 * A pipe over a TLS socket whose handshake is done, and the TCP socket below it.
 *
 * Node does not tell an end by TLS from an end of TCP. On Node before 24, an RST that arrives after
 * our own FIN together with data may show as an end as well.
 */
export function tlsPipe(secure: TLSSocket, below: Socket, pool: SlabPool): Pipe {
  return new DuplexPipe(secure, {
    reader: (sink) => new SocketReader(secure, sink, { pool, below }),
    writer: (onDrain) => new SocketWriter(secure, { limit: TLS_LIMIT, onDrain }),
    reset: () => reset(below, secure),
  });
}
