import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type Address, formatAddress } from '../core/address.ts';
import type { SlabPool } from '../data/slab-pool.ts';
import type { HandshakeOptions } from '../io/lane-handshake.ts';
import type { Pipe } from '../io/pipe.ts';
import { tcpPipe, tlsPipe } from '../io/pipe-tcp.ts';
import { nodeClock } from '../loop/node-clock.ts';
import { affinityDigits } from '../protocol/affinity.ts';
import type { Settings } from '../protocol/handshake.ts';
import { crypto } from '../sys/crypto.ts';
import { dialInsistently } from '../sys/net.ts';
import { channelBinding, secureClient, secureServer } from '../sys/tls.ts';

/** What both ends of a lane agree on outside of the protocol. */
export interface Transport {
  readonly key: Uint8Array;
  readonly plain: boolean;
  readonly pool: SlabPool;
}

/** The same as an entry has it. */
export interface EntryTransport extends Transport {
  /** u32, the same for all lanes of a session. */
  readonly affinity: number;
}

/** A connection that is ready for the handshake of a lane. */
export interface Carrier {
  readonly pipe: Pipe;
  /** 32 bytes of its TLS channel; null when it is plain. */
  readonly binding: Uint8Array | null;
}

/** For the dial, the TLS handshake and the lane handshake, each, ms. */
const TIMEOUT = 5_000;

/** Another SYN after so much silence, ms: a route that comes back is found within that time. */
const SYN_INTERVAL = 700;

/** The entry's end of a lane. @throws one line for the log */
export async function dialCarrier(
  address: Address,
  from: string | undefined,
  transport: EntryTransport,
  signal: AbortSignal,
): Promise<Carrier> {
  const socket = await dialInsistently(address, {
    timeout: TIMEOUT,
    interval: SYN_INTERVAL,
    signal,
    ...(from === undefined ? {} : { localAddress: from }),
  });
  if (transport.plain) return { pipe: tcpPipe(socket, transport.pool), binding: null };
  const identitySuffix = affinityDigits(transport.affinity);
  const securing = secureClient(socket, transport.key, { timeout: TIMEOUT, identitySuffix });
  return encrypted(socket, securing, transport.pool, signal);
}

/**
 * The exit's end of a lane. `head` are bytes that were read from it already; on a plain lane they are
 * left to the handshake. @throws one line for the log
 */
export async function acceptCarrier(
  socket: Socket,
  head: Uint8Array,
  transport: Transport,
  signal: AbortSignal,
): Promise<Carrier> {
  if (transport.plain) return { pipe: tcpPipe(socket, transport.pool), binding: null };
  if (head.length > 0) socket.unshift(head);
  const securing = secureServer(socket, transport.key, { timeout: TIMEOUT });
  return encrypted(socket, securing, transport.pool, signal);
}

/** The carrier over a TLS handshake; `signal` breaks that off. */
async function encrypted(
  socket: Socket,
  securing: Promise<TLSSocket>,
  pool: SlabPool,
  signal: AbortSignal,
): Promise<Carrier> {
  const breakOff = (): unknown => socket.destroy();
  signal.addEventListener('abort', breakOff);
  if (signal.aborted) breakOff();
  try {
    const secure = await securing;
    return { pipe: tlsPipe(secure, socket, pool), binding: channelBinding(secure) };
  } finally {
    signal.removeEventListener('abort', breakOff);
  }
}

export function handshakeOptions(
  transport: Transport,
  binding: Uint8Array | null,
  settings: Settings,
  signal: AbortSignal,
): HandshakeOptions {
  const { key } = transport;
  return { key, binding, crypto, clock: nodeClock, timeout: TIMEOUT, signal, settings };
}

export function peerOfRoute(route: { readonly exit: Address }): string {
  return formatAddress(route.exit);
}

export function sessionName(id: Uint8Array): string {
  return Buffer.from(id.subarray(0, 6)).toString('hex');
}
