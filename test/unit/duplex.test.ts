import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Duplex, PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { duplexFromPipe, pipeFromDuplex } from '../../src/io/duplex.ts';
import type { BrokenPipe, PipeHandler } from '../../src/io/pipe.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import { nodeClock } from '../../src/loop/node-clock.ts';

const LIMIT = { timeout: 10_000 };

function duplexPair(capacity = 10_000): [Duplex, Duplex] {
  const [a, b] = memoryPipePair({ capacity, clock: nodeClock });
  return [duplexFromPipe(a), duplexFromPipe(b)];
}

test('works in a pipeline, with half-close', LIMIT, async () => {
  const [a, b] = duplexPair();
  const body = Buffer.alloc(300_000, 'a text ');
  const sending = pipeline(Readable.from([body.subarray(0, 7), body.subarray(7)]), a, {
    end: true,
  });
  assert.deepEqual(await buffer(b), body);
  b.end('thanks');
  assert.equal((await buffer(a)).toString(), 'thanks');
  await sending;
});

test('a written buffer may be overwritten after its callback', LIMIT, async () => {
  const [a, b] = duplexPair();
  const scratch = Buffer.from('first');
  await new Promise((resolve) => a.write(scratch, resolve));
  scratch.fill('x');
  a.end();
  assert.equal((await buffer(b)).toString(), 'first');
  b.end();
});

test('a reader that stops holds up the writer', LIMIT, async () => {
  const [a, b] = duplexPair();
  let written = 0;
  const write = (): void => {
    if (written > 100) return;
    written += 1;
    a.write(Buffer.alloc(10_000), write);
  };
  write();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(written < 20, `${written} writes were done`);
  b.resume();
  while (written <= 100) await new Promise((resolve) => setImmediate(resolve));
  a.destroy();
  await assert.rejects(once(b, 'end'), { code: 'ECONNRESET' });
});

test('destroy() is RST to the peer, with the code of one', LIMIT, async () => {
  const [a, b] = duplexPair();
  b.resume();
  a.destroy();
  const [error] = await once(b, 'error').catch((cause: Error) => [cause]);
  assert.equal(error.code, 'ECONNRESET');
  assert.equal(a.errored, null);
});

test('destroy() after both have ended is no RST', LIMIT, async () => {
  const [a, b] = duplexPair();
  a.end('x');
  b.end('y');
  assert.equal((await buffer(a)).toString(), 'y');
  assert.equal((await buffer(b)).toString(), 'x');
  a.destroy();
  b.destroy();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(a.errored, null);
  assert.equal(b.errored, null);
});

test('a duplex that is destroyed breaks its pipe', LIMIT, async () => {
  for (const cause of [undefined, new Error('why not')]) {
    const inner = new PassThrough();
    const pipe = pipeFromDuplex(inner);
    const broken = new Promise<BrokenPipe>((resolve) => {
      const silent = (): void => {};
      const handler: PipeHandler = {
        onChunk: silent,
        onFin: silent,
        onDrain: silent,
        onFinSent: silent,
        onBroken: resolve,
      };
      pipe.attach(handler);
    });
    inner.destroy(cause);
    assert.equal((await broken).kind, 'lost');
    assert.equal(pipe.writable, false);
  }
});

test('a duplex that died before its pipe was made breaks it too', LIMIT, async () => {
  const inner = new PassThrough();
  inner.destroy();
  await once(inner, 'close');
  const pipe = pipeFromDuplex(inner);
  assert.equal(pipe.writable, false);
  const silent = (): void => {};
  const kind = await new Promise((resolve) => {
    pipe.attach({
      onChunk: silent,
      onFin: silent,
      onDrain: silent,
      onFinSent: silent,
      onBroken: (cause) => resolve(cause.kind),
    });
  });
  assert.equal(kind, 'lost');
});

/** All bytes up to the end. (An async iterator would destroy the duplex at the end of one half.) */
async function buffer(duplex: Duplex): Promise<Buffer> {
  const parts: Buffer[] = [];
  duplex.on('data', (part: Buffer) => parts.push(part));
  await once(duplex, 'end');
  return Buffer.concat(parts);
}
