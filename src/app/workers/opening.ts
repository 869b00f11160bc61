import type { Socket } from 'node:net';
import { affinityOf, MAX_HEAD_BYTES } from '../../protocol/affinity.ts';
import { divert, reset } from '../../sys/socket-handle.ts';

/** The first bytes of a lane, and the socket that they were read from, which reads no further. */
export interface Opening {
  readonly socket: Socket;
  readonly head: Uint8Array;
  /** Null if it shows none: then it is no lane of ours. */
  readonly affinity: number | null;
}

/**
 * Reads as much of an untouched socket as shows its affinity, and leaves the rest in the kernel, for
 * whoever gets the socket.
 * @throws {Error} one line for the log, and the connection is gone
 */
export function readOpening(
  socket: Socket,
  options: { readonly timeout: number; readonly signal: AbortSignal },
): Promise<Opening> {
  const { timeout, signal } = options;
  const head = new Uint8Array(MAX_HEAD_BYTES + 1);
  let length = 0;
  return new Promise((resolve, reject) => {
    const isDiverted = divert(socket, {
      buffer: () => head.subarray(Math.min(length, MAX_HEAD_BYTES)),
      callback: (bytes) => {
        length += bytes;
        const affinity = affinityOf(head.subarray(0, length));
        if (affinity === 'more') return true;
        settle();
        socket.pause();
        const known = affinity === 'none' ? null : affinity;
        resolve({ socket, head: head.slice(0, length), affinity: known });
        return false; // stops reading
      },
    });
    const timer = setTimeout(() => {
      fail(`no handshake within ${timeout / 1000} s`);
    }, timeout);
    if (!isDiverted) return fail('this Node cannot look into a connection and pass it on');
    socket.on('error', onError);
    socket.once('end', onEnd);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) return onAbort();
    socket.resume();

    function onError({ message }: Error): void {
      fail(`the connection failed before its handshake: ${message}`);
    }

    function onEnd(): void {
      fail('the peer closed the connection before its handshake');
    }

    function onAbort(): void {
      fail('this end closes');
    }

    function fail(message: string): void {
      settle();
      reset(socket);
      reject(new Error(message));
    }

    function settle(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('end', onEnd);
      // A second error, if there is one, has nothing to add.
      socket.off('error', onError).on('error', () => {});
    }
  });
}
