import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { tcpPipe } from '../../src/io/pipe-tcp.ts';
import type { BareSocket } from '../../src/sys/bare-socket.ts';
import { within } from '../e2e/support/wait.ts';
import { End, textAt, turns } from './end.ts';
import { halfBarePair, poisonedPool, type SocketPair, socketPair } from './pairs.ts';

const kinds: readonly [string, () => Promise<SocketPair<Socket | BareSocket>>][] = [
  ['a socket', socketPair],
  ['a bare connection', halfBarePair],
];
type Run = (end: End, peer: Socket) => Promise<void>;

/**
 * A raw socket against a TCP pipe: whatever the moment of an RST, a transfer that was cut short never
 * looks complete, and one that was not cut short does.
 */
for (const [kind, makePair] of kinds) {
  const withPeer = (run: Run): Promise<void> => withPeerOf(makePair, run);
  describe(`a TCP pipe over ${kind} whose peer resets`, () => {
    for (const length of [0, 1, 100, 17_408, 100_000]) {
      test(`after ${length} bytes, while reading`, () =>
        withPeer(async (end, peer) => {
          end.resume();
          await write(peer, length);
          peer.resetAndDestroy();
          await assertReset(end);
        }));

      test(`after ${length} bytes, while paused`, () =>
        withPeer(async (end, peer) => {
          await write(peer, length);
          peer.resetAndDestroy();
          await turns(20);
          end.resume();
          await assertReset(end);
        }));

      test(`after ${length} bytes behind our own FIN, while reading`, () =>
        withPeer(async (end, peer) => {
          end.resume();
          end.sendFin();
          await end.until(() => end.finsSent === 1, 'onFinSent');
          await write(peer, length);
          peer.resetAndDestroy();
          await assertReset(end);
        }));

      test(`after ${length} bytes behind our own FIN, while paused`, () =>
        withPeer(async (end, peer) => {
          end.sendFin();
          await end.until(() => end.finsSent === 1, 'onFinSent');
          await write(peer, length);
          peer.resetAndDestroy();
          await turns(20);
          end.resume();
          await assertReset(end);
        }));
    }

    test('between two reads in which our FIN is sent', () =>
      withPeer(async (end, peer) => {
        // The short read, this FIN and the hidden RST fall into one call of the event loop.
        end.onData = () => process.nextTick(() => end.sendFin());
        await write(peer, 100);
        peer.resetAndDestroy();
        await turns(20);
        end.resume();
        await assertReset(end);
      }));

    test('while our FIN waits behind a congestion', () =>
      withPeer(async (end, peer) => {
        await end.fill(256 * 1024, 96 * 1024 * 1024);
        end.sendFin();
        end.resume();
        await write(peer, 100);
        peer.resetAndDestroy();
        await assertReset(end);
      }));

    test('after its own FIN: seen at the next write', () =>
      withPeer(async (end, peer) => {
        end.resume();
        peer.end(textAt(0, 1000));
        await end.until(() => end.fins === 1, 'the FIN');
        assert.equal(end.receivedBytes, 1000);
        peer.resetAndDestroy();
        while (end.broken === null) {
          end.send(1000);
          await turns(2);
        }
        assert.equal(end.broken.kind, 'reset');
      }));

    test('after its own FIN: seen when ours is to follow', () =>
      withPeer(async (end, peer) => {
        end.resume();
        peer.end(textAt(0, 1000));
        await end.until(() => end.fins === 1, 'the FIN');
        peer.resetAndDestroy();
        await turns(20);
        end.sendFin();
        await end.until(() => end.broken !== null, 'onBroken');
        assert.equal(end.broken?.kind, 'reset');
        assert.equal(end.finsSent, 0);
      }));
  });

  describe(`a TCP pipe over ${kind} whose peer ends`, () => {
    for (const isFinSent of [false, true]) {
      const when = isFinSent ? 'behind our own FIN' : 'first';
      test(`${when}: all bytes, then the FIN`, () =>
        withPeer(async (end, peer) => {
          peer.resume();
          end.resume();
          if (isFinSent) end.sendFin();
          await turns(5);
          peer.end(textAt(0, 300_000));
          await end.until(() => end.fins === 1, 'the FIN');
          assert.equal(end.receivedBytes, 300_000);
          if (!isFinSent) end.sendFin();
          await end.until(() => end.finsSent === 1, 'onFinSent');
          assert.equal(end.broken, null);
        }));
    }

    test('first, and is slow to read: all that was sent arrives, then our FIN', () =>
      withPeer(async (end, peer) => {
        end.resume();
        peer.end();
        await end.until(() => end.fins === 1, 'the FIN');
        await end.fill(256 * 1024, 96 * 1024 * 1024);
        end.sendFin();
        let read = 0;
        peer.on('data', (bytes: Buffer) => {
          read += bytes.length;
        });
        peer.resume();
        await within(5_000, once(peer, 'end'), 'the end of what was sent');
        assert.equal(read, end.sentBytes);
        assert.equal(end.finsSent, 1);
      }));

    test('first, and an abort at the word that our FIN has left: it has', () =>
      withPeer(async (end, peer) => {
        end.resume();
        peer.end();
        await end.until(() => end.fins === 1, 'the FIN');
        end.onLastSent = () => end.abort();
        // A whole read of the peer's: Node before 24 would hide an RST behind a shorter one.
        end.send(64 * 1024);
        end.sendFin();
        await end.until(() => end.finsSent === 1, 'onFinSent');
        await turns(20);
        peer.resume();
        await within(5_000, once(peer, 'end'), 'the end of what was sent');
        assert.equal(peer.bytesRead, 64 * 1024);
      }));

    test('with a message that fills the first read exactly: it does not wait for more', () =>
      withPeer(async (end, peer) => {
        end.resume();
        for (let count = 1; count <= 3; count += 1) {
          await write(peer, 17 * 1024, (count - 1) * 17 * 1024);
          await end.until(() => end.receivedBytes === count * 17 * 1024, 'the message');
        }
        end.abort();
      }));
  });
}

async function assertReset(end: End): Promise<void> {
  await end.until(() => end.broken !== null, 'onBroken');
  assert.equal(end.broken?.kind, 'reset');
  assert.equal(end.fins, 0);
}

async function withPeerOf(makePair: (typeof kinds)[number][1], run: Run): Promise<void> {
  const sockets = await makePair();
  const pool = poisonedPool();
  const end = new End('the pipe', tcpPipe(sockets.dialled, pool), { keepsBoundaries: false });
  const peer = sockets.accepted;
  peer.on('error', () => {});
  try {
    await run(end, peer);
    end.check();
  } finally {
    end.abort();
    peer.destroy();
    await sockets.close();
  }
  await turns(3);
  end.check();
  assert.equal(end.heldBytes, 0, 'all chunks are released');
  assert.equal(pool.outBytes, 0, 'all read buffers came home');
}

/** Resolves when the kernel has taken all, which on loopback is when the other side can read it. */
function write(peer: Socket, length: number, offset = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    peer.write(textAt(offset, length), (error) => (error ? reject(error) : resolve()));
  });
}
