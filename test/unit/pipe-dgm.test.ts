import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk } from '../../src/core/chunk.ts';
import type { BrokenPipe, PipeHandler } from '../../src/io/pipe.ts';
import { DatagramPipe } from '../../src/io/pipe-dgm.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';

class Recorder implements PipeHandler {
  readonly words: string[] = [];
  cause: BrokenPipe | null = null;

  onChunk(chunk: Chunk): void {
    this.words.push(Buffer.from(chunk.bytes).toString());
    chunk.release();
  }
  onFin(): void {
    this.words.push('FIN');
  }
  onDrain(): void {}
  onFinSent(): void {}
  onBroken(cause: BrokenPipe): void {
    this.words.push('BROKEN');
    this.cause = cause;
  }
}

/** A datagram pipe whose peer is a raw pipe of bytes. */
function setUp(maxLength = 100) {
  const clock = new VirtualClock();
  const [a, b] = memoryPipePair({ capacity: 1000, clock });
  const pipe = new DatagramPipe(a, { maxLength, clock });
  const heard = new Recorder();
  const peer = new Recorder();
  pipe.attach(heard);
  b.attach(peer);
  pipe.resume();
  b.resume();
  const run = (): void => clock.runUntil(clock.now() + 1);
  const receive = (...bytes: number[]): void => {
    b.send(new Chunk(Uint8Array.from(bytes)));
    run();
  };
  return { pipe, heard, peer, raw: b, run, receive };
}

test('the length goes in front, big-endian, in one chunk', () => {
  const { pipe, peer, run } = setUp(70_000);
  const bytes: number[] = [];
  peer.onChunk = (chunk) => bytes.push(chunk.length, ...chunk.bytes.subarray(0, 5));
  pipe.send(new Chunk(Uint8Array.of(7)));
  run();
  pipe.send(new Chunk(new Uint8Array(65_538)));
  run();
  assert.deepEqual(bytes, [5, 0, 0, 0, 1, 7, 65_542, 0, 1, 0, 2, 0]);
});

test('headroom takes the length without a copy', () => {
  const { pipe, peer, run } = setUp();
  const memory = new Uint8Array(20).fill(9);
  let arrived: Chunk | null = null;
  peer.onChunk = (chunk) => {
    arrived = chunk;
  };
  pipe.send(new Chunk(memory.subarray(16), null, 16));
  run();
  assert.equal((arrived as Chunk | null)?.bytes.buffer, memory.buffer);
  assert.deepEqual([...memory.subarray(11)], [9, 0, 0, 0, 4, 9, 9, 9, 9]);
});

test('a datagram above the limit is an error of the caller, and nothing is taken', () => {
  const { pipe, peer, run } = setUp();
  assert.throws(
    () => pipe.send(new Chunk(new Uint8Array(101))),
    /101 bytes is above the limit of 100/,
  );
  assert.equal(pipe.writable, true);
  run();
  assert.deepEqual(peer.words, []);
});

test('a length above the limit breaks the pipe, and resets the peer', () => {
  const { heard, peer, receive } = setUp();
  receive(0, 0, 0, 2, 104, 105, 0, 0, 0, 101);
  assert.deepEqual(heard.words, ['hi', 'BROKEN']);
  assert.equal(heard.cause?.kind, 'protocol');
  assert.match(heard.cause?.message ?? '', /above 100 bytes/);
  assert.deepEqual(peer.words, ['BROKEN']);
});

test('a FIN inside of a datagram breaks the pipe', () => {
  for (const front of [[0], [0, 0, 0, 3], [0, 0, 0, 3, 104, 105]]) {
    const { heard, raw, run, receive } = setUp();
    receive(...front);
    raw.sendFin();
    run();
    assert.deepEqual(heard.words, ['BROKEN']);
    assert.equal(heard.cause?.kind, 'protocol');
  }
});

test('datagrams that came together wait while paused, and the FIN behind them', () => {
  const { pipe, heard, raw, run } = setUp();
  const record = heard.onChunk.bind(heard);
  heard.onChunk = (chunk) => {
    record(chunk);
    pipe.pause();
  };
  raw.send(new Chunk(Uint8Array.of(0, 0, 0, 1, 97, 0, 0, 0, 0, 0, 0, 0, 1, 98)));
  raw.sendFin();
  run();
  assert.deepEqual(heard.words, ['a']);
  for (const expected of [
    ['a', ''],
    ['a', '', 'b'],
    ['a', '', 'b', 'FIN'],
  ]) {
    pipe.resume();
    assert.equal(heard.words.length, expected.length - 1, 'nothing comes from inside resume()');
    run();
    assert.deepEqual(heard.words, expected);
  }
});
