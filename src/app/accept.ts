import type { Socket } from 'node:net';
import type { Address } from '../core/address.ts';
import type { Listener, ListenOptions } from '../sys/net.ts';

/**
 * How connections come in: `listen()` of `sys/net.ts`, or whatever takes its place. `head` are bytes
 * that were read from the socket already.
 */
export type Accept = (
  address: Address,
  onSocket: (socket: Socket, head?: Uint8Array) => void,
  options: ListenOptions,
) => Promise<Listener>;
