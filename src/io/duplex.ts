import { Buffer } from 'node:buffer';
import { Duplex } from 'node:stream';
import { Chunk } from '../core/chunk.ts';
import { reset } from '../sys/socket-handle.ts';
import { SocketReader } from '../sys/socket-reader.ts';
import { SocketWriter } from '../sys/socket-writer.ts';
import type { BrokenPipe, Pipe } from './pipe.ts';
import { DuplexPipe } from './pipe-duplex.ts';

/**
 * A pipe over any Node `Duplex` of bytes. `abort()` destroys the duplex; a duplex that is destroyed
 * before both of its ends have ended is a broken pipe.
 */
export function pipeFromDuplex(duplex: Duplex): Pipe {
  duplex.allowHalfOpen = true;
  return new DuplexPipe(duplex, {
    reader: (sink) => new SocketReader(duplex, sink),
    writer: (onDrain) => new SocketWriter(duplex, { limit: duplex.writableHighWaterMark, onDrain }),
    reset: () => reset(duplex),
  });
}

/**
 * The pipe as a Node `Duplex`, half-open like a `net.Socket` with `allowHalfOpen`. `destroy()` before
 * both directions have ended resets the pipe. A reset by the peer is an error with the code
 * `ECONNRESET`, other failures have `ECONNABORTED`, a breach of protocol `EPROTO`.
 *
 * Bytes are copied on their way in and out: what a `Duplex` was given may be overwritten once its
 * callback has run, and what it has handed out may be kept for ever.
 */
export function duplexFromPipe(pipe: Pipe): Duplex {
  let onDrain: (() => void) | null = null;
  let onFinSent: (() => void) | null = null;

  const put = (chunk: Chunk, done: () => void): void => {
    if (!pipe.send(chunk)) onDrain = () => put(chunk, done);
    else if (pipe.writable) done();
    else onDrain = done;
  };

  const duplex = new Duplex({
    allowHalfOpen: true,
    read: () => pipe.resume(),
    write: (bytes: Buffer, _encoding, done) => put(new Chunk(Buffer.from(bytes)), done),
    final(done) {
      onFinSent = done;
      pipe.sendFin();
    },
    destroy(error, done) {
      pipe.abort();
      done(error);
    },
  });

  pipe.attach({
    onChunk(chunk) {
      const bytes = Buffer.from(chunk.bytes);
      chunk.release();
      if (!duplex.push(bytes)) pipe.pause();
    },
    onFin: () => duplex.push(null),
    onDrain() {
      const done = onDrain;
      onDrain = null;
      done?.();
    },
    onFinSent: () => onFinSent?.(),
    onBroken: (cause) => duplex.destroy(errorOf(cause)),
  });
  return duplex;
}

function errorOf(cause: BrokenPipe): NodeJS.ErrnoException {
  const code = { reset: 'ECONNRESET', lost: 'ECONNABORTED', protocol: 'EPROTO' }[cause.kind];
  return Object.assign(new Error(cause.message, { cause }), { code });
}
