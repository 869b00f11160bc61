import assert from 'node:assert/strict';
import process from 'node:process';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Pipe } from '../../src/io/pipe.ts';
import { End, turns } from './end.ts';

/** The two ends of a fresh pipe. */
export interface PipePair {
  readonly a: Pipe;
  readonly b: Pipe;
  /** Resolves when everything that the pair opened is closed; both directions have ended before, or were aborted. */
  close(): Promise<void>;
}

export interface LawOptions {
  /** Each chunk arrives as it was sent, empty ones too. */
  readonly keepsBoundaries?: boolean;
  /** Bytes that may wait inside of one end before it is congested; kernel buffers do not count. */
  readonly limit: number;
  /** Bytes of the longest chunk that the suite sends; default 128 KiB. */
  readonly maxChunk?: number;
  /** Bytes of the big transfer, each way; default 8 MiB. */
  readonly volume?: number;
  /** Most bytes that a sender gets rid of while its peer is paused; default 96 MiB. */
  readonly maxUnread?: number;
  /** False where an RST after our own FIN may show as FIN (TLS on Node before 24). */
  readonly showsResetAfterFin?: boolean;
}

const TEST_LIMIT = { timeout: 30_000 }; // ms
/** What a closed pipe must not leave behind. */
const SOCKET_KINDS = /^(TCP|TLS|Pipe|JSStream)/;

/** Registers a test for each law of `src/io/pipe.ts`, and random transfers on top. */
export function pipeLaws(
  name: string,
  makePair: () => Promise<PipePair>,
  options: LawOptions,
): void {
  const { limit, keepsBoundaries = false, showsResetAfterFin = true } = options;
  const { maxChunk = 128 * 1024, volume = 8 * 1024 * 1024, maxUnread = 96 * 1024 * 1024 } = options;

  const law = (title: string, run: (a: End, b: End) => Promise<void>): void => {
    test(title, TEST_LIMIT, () => withPair(run));
  };

  async function withPair(run: (a: End, b: End) => Promise<void>): Promise<void> {
    const before = openSockets();
    const pair = await makePair();
    const a = new End('a', pair.a, { keepsBoundaries });
    const b = new End('b', pair.b, { keepsBoundaries });
    try {
      await run(a, b);
      a.check();
      b.check();
    } finally {
      if (!hasEnded(a) || !hasEnded(b)) {
        a.abort();
        b.abort();
      }
      await pair.close();
    }
    // Law 9, and the last words of law 5: nothing is left.
    await turns(3);
    a.check();
    b.check();
    assert.equal(a.heldBytes, 0, 'all chunks that a sent are released');
    assert.equal(b.heldBytes, 0, 'all chunks that b sent are released');
    for (const end of [a, b]) {
      const bound = limit + maxChunk;
      assert.ok(
        end.maxHeldBytes <= bound,
        `${end.name} held ${end.maxHeldBytes} of ${bound} bytes`,
      );
    }
    assert.deepEqual(openSockets(), before, 'no socket is left open');
  }

  /** Both directions have ended, and all that was sent has arrived. */
  async function finish(a: End, b: End): Promise<void> {
    await Promise.all([
      a.until(() => hasEnded(a), 'both FINs'),
      b.until(() => hasEnded(b), 'both FINs'),
    ]);
    assertArrived(a, b);
    assertArrived(b, a);
  }

  function assertArrived(from: End, to: End): void {
    assert.equal(to.receivedBytes, from.sentBytes, 'all bytes arrived');
    if (keepsBoundaries) assert.deepEqual(to.receivedLengths, from.sentLengths, 'boundaries kept');
  }

  async function resetAfterFin(a: End, b: End, isPaused: boolean): Promise<void> {
    a.resume();
    if (!isPaused) b.resume();
    b.sendFin();
    await a.until(() => a.fins === 1, 'the FIN');
    a.send(maxChunk);
    a.send(100);
    if (!isPaused) await b.until(() => b.receivedBytes > 0, 'bytes');
    a.abort();
    await turns(20);
    b.resume();
    await b.until(() => b.broken !== null, 'onBroken');
    assert.equal(b.fins, 0);
  }

  describe(`${name} obeys the laws of pipes`, () => {
    law('1, 2, 3: a paused peer congests the sender, a resumed one drains it', async (a, b) => {
      await a.fill(maxChunk, maxUnread);
      assert.equal(a.send(1), false);
      const { drains } = a;
      b.resume();
      await a.until(() => a.drains > drains, 'a drain');
      await b.until(() => b.receivedBytes === a.sentBytes, 'all bytes');
      assert.ok(a.pipe.writable);
      assert.equal(a.drains, drains + 1);
      a.abort();
    });

    law('2: an owner may fill the pipe again, and end it, inside of onDrain', async (a, b) => {
      a.resume();
      a.onRoom = () => {
        if (a.drains < 20) while (a.send(maxChunk));
        else if (a.drains === 20 && a.send(maxChunk)) a.sendFin();
      };
      await a.fill(maxChunk, maxUnread);
      b.resume();
      b.sendFin();
      await finish(a, b);
    });

    law('3: chunks of all sizes arrive as they were sent', async (a, b) => {
      b.resume();
      const sizes = [1, 2, 3, 15, 16, 17, 1000, 4095, 4096, 16_384, 17_407, 17_408, 17_409, 65_536];
      if (keepsBoundaries) sizes.unshift(0, 0);
      for (const size of [...sizes, maxChunk, ...sizes.reverse()]) {
        await a.until(() => a.pipe.writable, 'room to send');
        a.send(size);
      }
      await b.until(() => b.receivedBytes === a.sentBytes, 'all bytes');
      if (keepsBoundaries) await b.until(() => b.receivedLengths.length > 2 * sizes.length, 'all');
      assertArrived(a, b);
    });

    law('4: each direction ends by itself', async (a, b) => {
      a.resume();
      b.resume();
      a.send(1000);
      a.sendFin();
      await b.until(() => b.fins === 1, 'the FIN');
      await a.until(() => a.finsSent === 1, 'onFinSent');
      assert.equal(b.receivedBytes, 1000);
      a.sendFin();
      await b.sendAll(volume / 4, () => maxChunk);
      b.sendFin();
      await finish(a, b);
    });

    law('4: the other direction too', async (a, b) => {
      a.resume();
      b.resume();
      b.sendFin();
      await a.until(() => a.fins === 1, 'the FIN');
      await a.sendAll(volume / 4, () => maxChunk);
      a.sendFin();
      await finish(a, b);
    });

    law('4: both ends at once, with nothing sent', async (a, b) => {
      a.resume();
      b.resume();
      a.sendFin();
      b.sendFin();
      await finish(a, b);
    });

    law('4: a FIN behind a congestion follows all bytes', async (a, b) => {
      a.resume();
      await a.fill(maxChunk, maxUnread);
      a.sendFin();
      const { drains } = a;
      b.resume();
      b.sendFin();
      await finish(a, b);
      assert.equal(a.drains, drains, 'no drain after sendFin()');
    });

    law('5: an abort breaks the peer, and this end hears nothing more', async (a, b) => {
      a.resume();
      b.resume();
      a.send(100);
      await b.until(() => b.receivedBytes === 100, 'the bytes');
      b.send(100);
      a.abort();
      a.abort();
      assert.equal(a.send(1), false);
      a.sendFin();
      a.resume();
      a.pause();
      await b.until(() => b.broken !== null, 'onBroken');
      assert.equal(b.broken?.kind, 'reset');
      b.abort();
    });

    law('5, 6: an abort with data under way never looks like a FIN', async (a, b) => {
      await a.fill(maxChunk, maxUnread);
      a.abort();
      await turns(20);
      b.resume();
      await b.until(() => b.broken !== null, 'onBroken');
      assert.equal(b.fins, 0);
    });

    law('5, 6: an abort right after data, the peer reading', async (a, b) => {
      b.resume();
      a.send(maxChunk);
      a.abort();
      await b.until(() => b.broken !== null, 'onBroken');
      assert.equal(b.fins, 0);
    });

    law('5: an abort after a FIN still ends the peer that writes', async (a, b) => {
      b.resume();
      a.sendFin();
      await b.until(() => b.fins === 1, 'the FIN');
      a.abort();
      while (b.broken === null) {
        b.send(1000);
        await turns(2);
      }
    });

    law('5: an abort at once after sendFin() leaves nothing', async (a, b) => {
      b.resume();
      a.send(1000);
      a.sendFin();
      a.abort();
      await b.until(() => b.fins === 1 || b.broken !== null, 'an end');
    });

    if (showsResetAfterFin) {
      law('6: RST after our own FIN is no FIN, while reading', (a, b) =>
        resetAfterFin(a, b, false),
      );
      law('6: RST after our own FIN is no FIN, while paused', (a, b) => resetAfterFin(a, b, true));
    }

    law('7: a pipe is born paused, and paused again it is silent', async (a, b) => {
      a.resume();
      a.send(5000);
      // A message in the other direction shows that time has passed.
      b.send(1);
      await a.until(() => a.receivedBytes === 1, 'the reply');
      await turns(10);
      assert.equal(b.receivedBytes, 0);
      b.resume();
      b.pause();
      await turns(10);
      assert.equal(b.receivedBytes, 0);
      b.resume();
      b.resume();
      await b.until(() => b.receivedBytes === 5000, 'the bytes');
      b.pause();
      b.pause();
      a.send(5000);
      a.sendFin();
      await a.until(() => a.finsSent === 1 || a.isPaused === false, 'the FIN to leave');
      await turns(10);
      assert.equal(b.receivedBytes, 5000);
      assert.equal(b.fins, 0);
      b.resume();
      b.sendFin();
      await finish(a, b);
    });

    law('7: pausing inside onChunk stops at once', async (a, b) => {
      b.onData = () => b.pause();
      b.resume();
      const total = 64 * 1024 + 3000;
      const sent = a.sendAll(total, () => 1000);
      while (b.receivedBytes < total) {
        await b.until(() => b.isPaused, 'a chunk');
        await turns(1);
        b.resume();
      }
      await sent;
      a.sendFin();
      await b.until(() => b.fins === 1, 'the FIN');
    });

    law('8: owners that answer inside of handlers are not called back inside', async (a, b) => {
      let rounds = 0;
      a.onData = () => {
        rounds += 1;
        if (rounds < 200) a.send(100);
        else a.sendFin();
      };
      b.onData = () => b.send(100);
      a.resume();
      b.resume();
      a.send(100);
      await b.until(() => b.fins === 1, 'the FIN');
      b.sendFin();
      await finish(a, b);
      assert.equal(rounds, 200);
    });

    law('9: what has ended both ways is closed', async (a, b) => {
      a.resume();
      b.resume();
      await a.sendAll(100_000, () => 10_000);
      a.sendFin();
      await b.sendAll(100_000, () => 10_000);
      b.sendFin();
      await finish(a, b);
      // From here on, an abort is no RST: withPair() calls none, and waits for all to be closed.
    });

    law('9: an abort after both have ended harms nothing', async (a, b) => {
      b.resume();
      a.resume();
      b.sendFin();
      await a.until(() => a.fins === 1, 'the FIN');
      await a.sendAll(300_000, () => maxChunk);
      a.sendFin();
      await a.until(() => a.finsSent === 1, 'onFinSent');
      a.abort();
      await b.until(() => b.fins === 1, 'the FIN');
      assertArrived(a, b);
    });

    law('a slow reader loses nothing of a big transfer, both ways at once', async (a, b) => {
      for (const end of [a, b]) {
        let next = volume / 6;
        end.onData = () => {
          if (end.receivedBytes < next) return;
          next += volume / 6;
          end.pause();
          setTimeout(() => end.resume(), 2);
        };
        end.resume();
      }
      const sizes = [maxChunk, 1, 17_000, maxChunk >> 1];
      await Promise.all([
        a.sendAll(volume, (index) => sizes[index % sizes.length]!).then(() => a.sendFin()),
        b.sendAll(volume, (index) => sizes[(index + 2) % sizes.length]!).then(() => b.sendFin()),
      ]);
      await finish(a, b);
    });

    test('random owners lose nothing', TEST_LIMIT, async () => {
      const step = fc.oneof(
        { weight: 6, arbitrary: fc.record({ send: fc.integer({ min: 1, max: maxChunk }) }) },
        { weight: 2, arbitrary: fc.record({ send: fc.integer({ min: 1, max: 200 }) }) },
        { weight: 2, arbitrary: fc.record({ pause: fc.integer({ min: 0, max: 10 }) }) },
        { weight: 1, arbitrary: fc.record({ wait: fc.integer({ min: 0, max: 10 }) }) },
      );
      const script = fc.array(step, { maxLength: 40 });
      await fc.assert(
        fc.asyncProperty(script, script, (forA, forB) =>
          withPair(async (a, b) => {
            await Promise.all([play(a, forA), play(b, forB)]);
            await finish(a, b);
          }),
        ),
        { numRuns: 20, interruptAfterTimeLimit: 20_000 },
      );
    });
  });
}

type Step = { send: number } | { pause: number } | { wait: number };

async function play(end: End, script: readonly Step[]): Promise<void> {
  end.resume();
  for (const step of script) {
    if ('send' in step) await end.sendAll(step.send, () => step.send);
    if ('wait' in step) await turns(step.wait);
    if ('pause' in step) {
      end.pause();
      void turns(step.pause).then(() => end.resume());
    }
  }
  end.sendFin();
}

function hasEnded(end: End): boolean {
  return end.fins === 1 && end.finsSent === 1;
}

function openSockets(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((kind) => SOCKET_KINDS.test(kind))
    .sort();
}
