import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP relay that keeps the first bytes of what each of its connections sent towards the target. */
export class Recorder {
  readonly recordings: Buffer[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async start(targetPort: number): Promise<Recorder> {
    const recorder = new Recorder(targetPort);
    recorder.#server.listen(0, '127.0.0.1');
    await once(recorder.#server, 'listening');
    return recorder;
  }

  private constructor(targetPort: number) {
    this.#server = createServer((near) => {
      const far = connect(targetPort, '127.0.0.1');
      const index = this.recordings.push(Buffer.alloc(0)) - 1;
      near.on('data', (bytes) => {
        const before = this.recordings[index]!;
        if (before.length < LIMIT) this.recordings[index] = Buffer.concat([before, bytes]);
      });
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => this.#sockets.delete(socket));
      }
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

const LIMIT = 4096;
