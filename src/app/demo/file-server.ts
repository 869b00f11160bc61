import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

export interface FileServer {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Bytes of the file. */
  readonly size: number;
  /** SHA-256 of the file, in hex. */
  readonly digest: string;
  close(): Promise<void>;
}

/** Serves one file of `size` bytes by HTTP, whatever path is asked for. */
export async function startFileServer(size: number): Promise<FileServer> {
  const file = noise(size);
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size });
    response.end(file);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    port: address.port,
    size,
    digest: createHash('sha256').update(file).digest('hex'),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** The same bytes on every run, and nothing that could be compressed (xorshift32). */
function noise(size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = 0x9e3779b9;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}
