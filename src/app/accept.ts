import type { Socket } from 'node:net';
import type { Address } from '../core/address.ts';
import type { Listener, ListenOptions } from '../sys/net.ts';

/**
 * How connections come in: `listen()` of `sys/net.ts`, `listenBare()` of `sys/bare-net.ts`, or whatever takes
 * their place. `head` are bytes that were read from the socket already.
 */
export type Accept<Accepted = Socket> = (
  address: Address,
  onSocket: (socket: Accepted, head?: Uint8Array) => void,
  options: ListenOptions,
) => Promise<Listener>;
