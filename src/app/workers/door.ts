import type { Socket } from 'node:net';
import { reset } from '../../sys/socket-handle.ts';
import type { Accept } from '../accept.ts';

/** Where a worker's connections come in: handed over by the primary instead of accepted. */
export class Door {
  #onSocket: ((socket: Socket, head?: Uint8Array) => void) | null = null;

  readonly accept: Accept = async (_, onSocket) => {
    this.#onSocket = onSocket;
    return {
      addresses: [],
      close: async () => {
        this.#onSocket = null;
      },
    };
  };

  enter(socket: Socket, head: Uint8Array): void {
    socket.on('error', () => {});
    socket.allowHalfOpen = true;
    if (this.#onSocket === null) reset(socket);
    else this.#onSocket(socket, head);
  }
}
