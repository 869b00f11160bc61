import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk } from '../../src/core/chunk.ts';
import { Bridge, type BridgeOutcome } from '../../src/io/bridge.ts';
import type { BrokenPipe, Pipe, PipeHandler } from '../../src/io/pipe.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';

const CAPACITY = 1000;

/** The outer end of a leg. */
class Outside implements PipeHandler {
  readonly pipe: Pipe;
  receivedBytes = 0;
  words: string[] = [];

  constructor(pipe: Pipe) {
    this.pipe = pipe;
    pipe.attach(this);
  }
  /** Sends chunks of 100 bytes until the pipe is congested. */
  fill(): number {
    let sent = 0;
    while (this.pipe.send(new Chunk(new Uint8Array(100)))) sent += 100;
    return sent;
  }
  onChunk(chunk: Chunk): void {
    this.receivedBytes += chunk.length;
    chunk.release();
  }
  onFin(): void {
    this.words.push('fin');
  }
  onDrain(): void {
    this.words.push('drain');
  }
  onFinSent(): void {
    this.words.push('fin-sent');
  }
  onBroken(cause: BrokenPipe): void {
    this.words.push(cause.kind);
  }
}

function setUp() {
  const clock = new VirtualClock();
  const [a, nearPipe] = memoryPipePair({ capacity: CAPACITY, clock });
  const [b, farPipe] = memoryPipePair({ capacity: CAPACITY, clock });
  const outcomes: BridgeOutcome[] = [];
  const bridge = new Bridge(nearPipe, farPipe, (outcome) => outcomes.push(outcome));
  const run = (): void => clock.runUntil(clock.now() + 1);
  return { bridge, near: new Outside(a), far: new Outside(b), outcomes, run };
}

test('bytes go both ways and are counted per leg', () => {
  const { bridge, near, far, run } = setUp();
  near.pipe.resume();
  far.pipe.resume();
  near.pipe.send(new Chunk(new Uint8Array(30)));
  far.pipe.send(new Chunk(new Uint8Array(70)));
  run();
  assert.equal(far.receivedBytes, 30);
  assert.equal(near.receivedBytes, 70);
  assert.deepEqual(bridge.near, { receivedBytes: 30, sentBytes: 70, congestions: 0 });
  assert.deepEqual(bridge.far, { receivedBytes: 70, sentBytes: 30, congestions: 0 });
});

test('a congested leg congests the other one, and only that direction', () => {
  const { bridge, near, far, run } = setUp();
  near.pipe.resume();
  let sent = 0;
  for (let turn = 0; turn < 10; turn += 1) {
    sent += near.fill();
    run();
  }
  assert.equal(near.pipe.writable, false);
  assert.ok(sent <= 2 * CAPACITY, `${sent} bytes were taken from the sender`);
  assert.equal(bridge.far.congestions, 1);
  far.pipe.send(new Chunk(new Uint8Array(5)));
  run();
  assert.equal(near.receivedBytes, 5, 'the other direction goes on');
  far.pipe.resume();
  run();
  assert.equal(far.receivedBytes, sent);
  assert.equal(near.pipe.writable, true);
});

test('each direction ends by itself, and the bridge with both', () => {
  const { near, far, outcomes, run } = setUp();
  near.pipe.resume();
  far.pipe.resume();
  near.pipe.sendFin();
  run();
  assert.deepEqual(far.words, ['fin']);
  assert.deepEqual(outcomes, []);
  far.pipe.send(new Chunk(new Uint8Array(10)));
  run();
  assert.equal(near.receivedBytes, 10);
  far.pipe.sendFin();
  run();
  assert.deepEqual(near.words, ['fin-sent', 'fin']);
  assert.deepEqual(outcomes, [{ kind: 'finished' }]);
});

test('a FIN behind a congestion comes after all bytes', () => {
  const { near, far, outcomes, run } = setUp();
  near.pipe.resume();
  const sent = near.fill();
  near.pipe.sendFin();
  run();
  far.pipe.resume();
  run();
  assert.equal(far.receivedBytes, sent);
  assert.deepEqual(far.words, ['fin']);
  far.pipe.sendFin();
  run();
  assert.deepEqual(outcomes, [{ kind: 'finished' }]);
});

for (const by of ['near', 'far'] as const) {
  test(`RST from the ${by} side is RST to the other one`, () => {
    const { near, far, outcomes, run } = setUp();
    near.pipe.resume();
    far.pipe.resume();
    const [from, to] = by === 'near' ? [near, far] : [far, near];
    from.pipe.abort();
    run();
    assert.deepEqual(from.words, []);
    assert.deepEqual(to.words, ['reset']);
    assert.equal(outcomes.length, 1);
    assert.ok(outcomes[0]?.kind === 'reset' && outcomes[0].by === by);
  });
}

test('RST after a FIN is RST', () => {
  const { near, far, outcomes, run } = setUp();
  near.pipe.resume();
  far.pipe.resume();
  near.pipe.sendFin();
  run();
  near.pipe.abort();
  run();
  assert.deepEqual(far.words, ['fin', 'reset']);
  assert.equal(outcomes.length, 1);
});

test('a pipe that broke before the bridge was built ends it at once', () => {
  const clock = new VirtualClock();
  const [a, nearPipe] = memoryPipePair({ capacity: CAPACITY, clock });
  const [b, farPipe] = memoryPipePair({ capacity: CAPACITY, clock });
  const far = new Outside(b);
  a.abort();
  const outcomes: BridgeOutcome[] = [];
  new Bridge(nearPipe, farPipe, (outcome) => outcomes.push(outcome));
  clock.runUntil(1);
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ['reset'],
  );
  assert.deepEqual(far.words, ['reset']);
});

test('abort() resets both sides, without a word to its caller', () => {
  const { bridge, near, far, outcomes, run } = setUp();
  bridge.abort();
  bridge.abort();
  run();
  assert.deepEqual(near.words, ['reset']);
  assert.deepEqual(far.words, ['reset']);
  assert.deepEqual(outcomes, []);
});
