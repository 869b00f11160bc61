import { type Cipher, createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { SlabPool } from '../../../src/data/slab-pool.ts';
import { tcpPipe } from '../../../src/io/pipe-tcp.ts';
import { MiB } from './numbers.ts';

/** Bytes that one write carries. */
const PIECE = 64 * 1024;
const zeros = Buffer.alloc(PIECE);

/** What became of one direction of a connection. */
export interface Received {
  readonly bytes: number;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
  /** When the first and the last bytes came, by `performance.now()`. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** The longest time between two arrivals, ms. */
  readonly longestGap: number;
}

/**
 * Writes `bytes` bytes that follow from `seed`, as fast as they are taken.
 * @returns their SHA-256
 */
export async function send(socket: Socket, bytes: number, seed: number): Promise<string> {
  const pattern = new Pattern(seed);
  const hash = createHash('sha256');
  for (let left = bytes; left > 0; left -= PIECE) {
    const piece = pattern.take(Math.min(left, PIECE));
    hash.update(piece);
    if (!socket.write(piece)) await once(socket, 'drain');
  }
  return hash.digest('hex');
}

/** Reads to the end. @throws what the socket does: a transfer that was cut short is no success. */
export function receive(
  socket: Socket,
  onBytes: (bytes: Buffer) => void = () => {},
): Promise<Received> {
  const hash = createHash('sha256');
  let bytes = 0;
  let firstAt = 0;
  let lastAt = 0;
  let longestGap = 0;
  return new Promise((resolve, reject) => {
    socket.on('data', (piece: Buffer) => {
      const now = performance.now();
      if (bytes === 0) firstAt = now;
      else longestGap = Math.max(longestGap, now - lastAt);
      lastAt = now;
      bytes += piece.length;
      hash.update(piece);
      onBytes(piece);
    });
    socket.on('end', () =>
      resolve({ bytes, digest: hash.digest('hex'), firstAt, lastAt, longestGap }),
    );
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed before its end')));
  });
}

/** How the connection ended, seen from this side: the code of an error, or a clean end. */
export function ending(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('end', () => resolve('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve('close'));
  });
}

/**
 * As `ending`, for a socket that nobody has read yet: 'end' or the kind of a broken pipe. Node before
 * 24 by itself takes an RST for an end when bytes before it are unread; our pipe does not.
 */
export function surestEnding(socket: Socket): Promise<string> {
  const pipe = tcpPipe(socket, new SlabPool({ allocate: Buffer.alloc, budget: 4 * MiB }));
  return new Promise((resolve) => {
    pipe.attach({
      onChunk: (chunk) => chunk.release(),
      onFin() {
        resolve('end');
        pipe.abort();
      },
      onDrain() {},
      onFinSent() {},
      onBroken: ({ kind }) => resolve(kind),
    });
    pipe.resume();
  });
}

/** Resolves when the socket is gone. */
export function closed(socket: Socket): Promise<unknown> {
  return socket.closed ? Promise.resolve() : new Promise((done) => socket.once('close', done));
}

/** The SHA-256 of what `send` would write. */
export function digestOf(bytes: number, seed: number): string {
  const pattern = new Pattern(seed);
  const hash = createHash('sha256');
  for (let left = bytes; left > 0; left -= PIECE) hash.update(pattern.take(Math.min(left, PIECE)));
  return hash.digest('hex');
}

/**
 * Bytes that follow from a seed: AES in counter mode, so that every position has bytes of its own, at
 * a gigabyte per second.
 */
export class Pattern {
  readonly #cipher: Cipher;

  constructor(seed: number) {
    const key = Buffer.alloc(16);
    key.writeUInt32BE(seed >>> 0);
    this.#cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  }

  /** The next bytes. */
  take(bytes: number): Buffer {
    return this.#cipher.update(bytes <= PIECE ? zeros.subarray(0, bytes) : Buffer.alloc(bytes));
  }
}
