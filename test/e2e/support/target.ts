import { once } from 'node:events';
import {
  type AddressInfo,
  createServer,
  type ListenOptions,
  type Server,
  type Socket,
} from 'node:net';

/** A server for the far side of an exit, in this process. Its sockets are half-open. */
export class Target {
  readonly sockets = new Set<Socket>();
  readonly #server: Server;

  static async start(
    onSocket: (socket: Socket) => void,
    where: ListenOptions = { host: '127.0.0.1', port: 0 },
  ): Promise<Target> {
    const target = new Target(onSocket);
    target.#server.listen(where);
    await once(target.#server, 'listening');
    return target;
  }

  private constructor(onSocket: (socket: Socket) => void) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
      // What a test wants to know of errors, it listens for itself.
      socket.on('error', () => {});
      onSocket(socket);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `HOST:PORT`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
