import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk } from '../../src/core/chunk.ts';
import { ExchangeFailed } from '../../src/io/exchange.ts';
import {
  answerHello,
  type HandshakeOptions,
  type Joined,
  type Judge,
  joinSession,
  LaneRefused,
  type SessionTicket,
} from '../../src/io/lane-handshake.ts';
import type { BrokenPipe, Pipe, PipeHandler } from '../../src/io/pipe.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';
import {
  decodeReply,
  encodeHello,
  HandshakeKeys,
  type Hello,
  HelloKind,
  MAX_HANDSHAKE_BYTES,
  plainGreeting,
  ReplyStatus,
} from '../../src/protocol/handshake.ts';
import { crypto } from '../../src/sys/crypto.ts';
import { concat, dataFrame } from '../prop/wire.ts';

const TIMEOUT = 5_000;
const key = new Uint8Array(32).fill(1);
const binding = new Uint8Array(32).fill(2);
const sessionId = new Uint8Array(16).fill(3);
const ticket: SessionTicket = { id: sessionId, key: new Uint8Array(32).fill(4) };
const entrySettings = { sessionWindow: 1, initialWindow: 2, maxChannels: 3, resume: 4 };
const exitSettings = { sessionWindow: 5, initialWindow: 6, maxChannels: 7, resume: 8 };

/** A pipe between two ends in virtual time, and how each of them shakes hands. */
class World {
  readonly clock = new VirtualClock();
  readonly near: Pipe;
  readonly far: Pipe;
  readonly decided: Hello[] = [];
  readonly judge: Judge = {
    sessionKey: (id) => (Buffer.from(id).equals(sessionId) ? ticket.key : null),
    decide: (hello) => {
      this.decided.push(hello);
      return { status: ReplyStatus.OK, session: sessionId };
    },
  };

  constructor() {
    [this.near, this.far] = memoryPipePair({ capacity: 65_536, clock: this.clock });
  }

  entry(given: Partial<HandshakeOptions> = {}, join: SessionTicket | null = null): Promise<Joined> {
    return joinSession(this.near, this.options(entrySettings, given), 7, join);
  }

  exit(given: Partial<HandshakeOptions> = {}, judge = this.judge): Promise<Joined> {
    return answerHello(this.far, this.options(exitSettings, given), judge);
  }

  options(settings: typeof entrySettings, given: Partial<HandshakeOptions>): HandshakeOptions {
    return { key, binding, crypto, clock: this.clock, timeout: TIMEOUT, settings, ...given };
  }

  /** Lets things happen until all promises are settled and no timer is left. */
  async settle<T extends readonly unknown[]>(
    ...promises: { [K in keyof T]: Promise<T[K]> }
  ): Promise<{ [K in keyof T]: PromiseSettledResult<T[K]> }> {
    const settled = Promise.allSettled(promises);
    do await turn();
    while (this.clock.step());
    assert.equal(this.clock.pending, 0);
    return settled as Promise<{ [K in keyof T]: PromiseSettledResult<T[K]> }>;
  }

  /** Lets things happen until the listener has a whole message. */
  async runUntilBytes(listener: Listener): Promise<void> {
    do await turn();
    while (listener.bytes.length === 0 && this.clock.step());
  }

  /** The bytes arrive at the exit, from whoever sends them. */
  sends(...pieces: Uint8Array[]): Listener {
    const listener = new Listener(this.near);
    for (const piece of pieces) this.near.send(new Chunk(piece));
    return listener;
  }
}

/** A pipe that remembers what was sent through it. */
class Tap implements Pipe {
  readonly #pipe: Pipe;
  readonly #sent: Uint8Array[] = [];

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  get sent(): Uint8Array {
    return concat(this.#sent);
  }

  get writable(): boolean {
    return this.#pipe.writable;
  }

  attach(handler: PipeHandler): void {
    this.#pipe.attach(handler);
  }

  send(chunk: Chunk): boolean {
    this.#sent.push(chunk.bytes.slice());
    return this.#pipe.send(chunk);
  }

  sendFin(): void {
    this.#pipe.sendFin();
  }

  pause(): void {
    this.#pipe.pause();
  }

  resume(): void {
    this.#pipe.resume();
  }

  abort(): void {
    this.#pipe.abort();
  }
}

/** A peer that only records. */
class Listener implements PipeHandler {
  readonly #pieces: Uint8Array[] = [];
  fins = 0;
  cause: BrokenPipe | null = null;

  constructor(pipe: Pipe) {
    pipe.attach(this);
    pipe.resume();
  }

  get bytes(): Uint8Array {
    return concat(this.#pieces);
  }

  onChunk(chunk: Chunk): void {
    this.#pieces.push(chunk.bytes.slice());
    chunk.release();
  }

  onFin(): void {
    this.fins += 1;
  }

  onDrain(): void {}

  onFinSent(): void {}

  onBroken(cause: BrokenPipe): void {
    this.cause = cause;
  }
}

test('NEW: both ends know the same session, its key and the other’s settings', async () => {
  for (const way of [binding, null]) {
    const world = new World();
    const [entry, exit] = await world.settle(
      world.entry({ binding: way }),
      world.exit({ binding: way }),
    );
    const near = joined(entry);
    const far = joined(exit);
    assert.deepEqual(near.ticket, far.ticket);
    assert.deepEqual(near.ticket.id, sessionId);
    assert.notDeepEqual(near.ticket.key, key);
    assert.deepEqual([near.lane, far.lane], [7, 7]);
    assert.deepEqual([near.peer, far.peer], [exitSettings, entrySettings]);
    assert.deepEqual([near.early, far.early], [null, null]);
    assert.ok(world.near.writable && world.far.writable, 'the pipes are left to their lanes');
    const [{ kind, plain } = assert.fail()] = world.decided;
    assert.deepEqual([kind, plain], [HelloKind.NEW, way === null]);
  }
});

test('two sessions made with one key have keys of their own', async () => {
  const keys = new Set<string>();
  for (let count = 0; count < 3; count += 1) {
    const world = new World();
    const [entry] = await world.settle(world.entry(), world.exit());
    keys.add(Buffer.from(joined(entry).ticket.key).toString('hex'));
  }
  assert.equal(keys.size, 3);
});

test('JOIN: who knows the session’s key needs no other', async () => {
  for (const way of [binding, null]) {
    const world = new World();
    const other = new Uint8Array(32).fill(99);
    const [entry, exit] = await world.settle(
      world.entry({ binding: way, key: other }, ticket),
      world.exit({ binding: way }),
    );
    assert.deepEqual(joined(entry).ticket, ticket);
    assert.deepEqual(joined(exit).ticket, ticket);
  }
});

test('JOIN to a session that the exit does not know', async () => {
  const world = new World();
  const unknown = { id: new Uint8Array(16).fill(9), key: ticket.key };
  const [entry, exit] = await world.settle(world.entry({}, unknown), world.exit());
  assert.match(refused(entry, ReplyStatus.UNKNOWN_SESSION), /does not know the session/);
  refused(exit, ReplyStatus.UNKNOWN_SESSION);
  assert.deepEqual(world.decided, []);
});

test('a wrong key, to make a session or to join it, on TLS or plain', async () => {
  const wrong = new Uint8Array(32).fill(99);
  for (const way of [binding, null]) {
    for (const join of [null, { id: sessionId, key: wrong }]) {
      const world = new World();
      const [entry, exit] = await world.settle(
        world.entry({ binding: way, key: wrong }, join),
        world.exit({ binding: way }),
      );
      assert.match(refused(entry, ReplyStatus.BAD_KEY), /wrong key/);
      assert.match(refused(exit, ReplyStatus.BAD_KEY), /wrong key/);
      assert.deepEqual(world.decided, [], 'nothing is decided for strangers');
    }
  }
});

test('what the exit decides is what the entry hears', async () => {
  for (const status of [ReplyStatus.BUSY, ReplyStatus.GOING_AWAY, ReplyStatus.BAD_HELLO]) {
    const world = new World();
    const judge = { ...world.judge, decide: () => ({ status }) };
    const [entry, exit] = await world.settle(world.entry(), world.exit({}, judge));
    assert.equal(refused(entry, status), refused(exit, status));
  }
});

test('a version that the exit does not speak is refused with those that it does', async () => {
  const world = new World();
  const listener = world.sends(seal({ minVersion: 2, maxVersion: 9 }));
  const [exit] = await world.settle(world.exit());
  assert.match(refused(exit, ReplyStatus.BAD_VERSION), /update the older one/);
  const { status, minVersion, maxVersion, version } = decodeReply(listener.bytes);
  assert.deepEqual([status, minVersion, maxVersion, version], [ReplyStatus.BAD_VERSION, 1, 1, 0]);
  assert.deepEqual(world.decided, []);
});

test('a HELLO that says it is plain on a TLS lane, or the reverse', async () => {
  const world = new World();
  world.sends(seal({ plain: true }));
  const [exit] = await world.settle(world.exit());
  refused(exit, ReplyStatus.BAD_HELLO);
  assert.deepEqual(world.decided, []);

  const plain = new World();
  const challenge = new Uint8Array(32).fill(8);
  plain.sends(plainGreeting(0), seal({ plain: false }, challenge));
  const fixed = { ...crypto, randomBytes: (length: number) => challenge.slice(0, length) };
  const [answer] = await plain.settle(plain.exit({ binding: null, crypto: fixed }));
  refused(answer, ReplyStatus.BAD_HELLO);
});

test('one end plain, the other not', async () => {
  const world = new World();
  const [entry, exit] = await world.settle(world.entry({ binding: null }), world.exit());
  failed(entry, 'timeout', /no handshake within 5 s|closed|reset/);
  failed(exit, 'timeout', /no handshake within 5 s|closed|reset/);

  const reverse = new World();
  const answers = await reverse.settle(reverse.entry(), reverse.exit({ binding: null }));
  assert.ok(answers.every(({ status }) => status === 'rejected'));

  const tls = new World();
  tls.sends(Uint8Array.of(0x16, 3, 1, 2, 0));
  const [told] = await tls.settle(tls.exit({ binding: null }));
  failed(told, 'malformed', /speaks TLS.*--plain/);
});

test('a JOIN that was recorded is worthless on another connection', async () => {
  const recorded = seal({ kind: HelloKind.JOIN, session: sessionId }, binding, ticket.key);
  const world = new World();
  world.sends(recorded);
  const [again] = await world.settle(world.exit());
  joined(again);

  const elsewhere = new World();
  elsewhere.sends(recorded);
  const [exit] = await elsewhere.settle(elsewhere.exit({ binding: new Uint8Array(32).fill(77) }));
  refused(exit, ReplyStatus.BAD_KEY);

  // On a plain lane the challenge is another one each time.
  const plain = new World();
  const listener = new Tap(plain.near);
  await plain.settle(
    joinSession(listener, plain.options(entrySettings, { binding: null }), 7, ticket),
    plain.exit({ binding: null }),
  );
  const replay = new World();
  replay.sends(listener.sent);
  const [answer] = await replay.settle(replay.exit({ binding: null }));
  refused(answer, ReplyStatus.BAD_KEY);
});

test('a REPLY that was changed on its way, or answers another HELLO', async () => {
  const forge: ((reply: Uint8Array, other: Uint8Array) => Uint8Array)[] = [
    (reply) => reply.with(40, reply[40]! ^ 1),
    (reply) => reply.with(-1, reply.at(-1)! ^ 1),
    (_, other) => other,
  ];
  for (const change of forge) {
    const first = new World();
    const listener = first.sends(seal({}));
    await first.settle(first.exit());
    const other = listener.bytes;

    const world = new World();
    const middle = new World();
    const entry = world.entry();
    // The man in the middle passes on the HELLO, and changes the REPLY.
    const near = new Listener(world.far);
    await world.runUntilBytes(near);
    const reply = middle.sends(near.bytes);
    await middle.settle(middle.exit());
    world.far.send(new Chunk(change(reply.bytes.slice(), other)));
    const [answer] = await world.settle(entry);
    refused(answer, ReplyStatus.BAD_KEY);
  }
});

test('a HELLO that does not come whole in time', async () => {
  const hello = seal({});
  for (const pieces of [
    [],
    [hello.subarray(0, 1)],
    [hello.subarray(0, 61)],
    [hello.subarray(0, -1)],
  ]) {
    const world = new World();
    const listener = world.sends(...pieces);
    const [exit] = await world.settle(world.exit());
    failed(exit, 'timeout', /no handshake within 5 s/);
    assert.equal(world.clock.now(), TIMEOUT);
    assert.equal(listener.cause?.kind, 'reset', 'the stranger is gone');
  }
});

test('a HELLO that drips in has no more time than another', async () => {
  const world = new World();
  const hello = seal({});
  new Listener(world.near);
  hello.forEach((byte, at) => {
    world.clock.at(at * 100, () => {
      if (world.near.writable) world.near.send(new Chunk(Uint8Array.of(byte)));
    });
  });
  let failedAt = 0;
  const exit = world.exit().finally(() => {
    failedAt = world.clock.now();
  });
  const [answer] = await world.settle(exit);
  failed(answer, 'timeout', /no handshake/);
  assert.ok(failedAt >= TIMEOUT && failedAt <= TIMEOUT + 100, `${failedAt}`);
});

test('a HELLO in single bytes is as good as another', async () => {
  const world = new World();
  world.sends(...Array.from(seal({}), (byte) => Uint8Array.of(byte)));
  const [exit] = await world.settle(world.exit());
  joined(exit);
});

test('no handshake at all: refused at the first byte that shows it', async () => {
  const bad: [Uint8Array, RegExp][] = [
    [bytesOf('G'), /wrong magic/],
    [bytesOf('TCPX'), /wrong magic/],
    [bytesOf('SSH-2.0-OpenSSH_9.6\r\n'), /wrong magic/],
    [oversized(513), /513 bytes of settings/],
    [oversized(65_535), /65535 bytes of settings/],
    [seal({}).with(6, 2), /kind 2/],
  ];
  for (const [bytes, message] of bad) {
    const world = new World();
    const listener = world.sends(bytes);
    const [exit] = await world.settle(world.exit());
    failed(exit, 'malformed', message);
    assert.ok(world.clock.now() < TIMEOUT, 'at once');
    assert.equal(listener.cause?.kind, 'reset');
    assert.equal(listener.bytes.length, 0, 'strangers hear nothing');
  }
});

test('settings that are cut short', async () => {
  const world = new World();
  const hello = encodeHello(helloOf({}));
  // The last value claims more bytes than there are.
  hello[hello.length - 7] = 200;
  world.sends(new HandshakeKeys(crypto, binding).sealHello(key, hello));
  const [exit] = await world.settle(world.exit());
  failed(exit, 'malformed', /cut short/);
});

test('a peer that ends, or resets, in the middle', async () => {
  const hello = seal({});
  for (const end of ['sendFin', 'abort'] as const) {
    for (const length of [0, 10, hello.length - 1]) {
      const world = new World();
      world.sends(hello.subarray(0, length));
      world.clock.at(1, () => world.near[end]());
      const [exit] = await world.settle(world.exit());
      failed(exit, 'closed', end === 'abort' ? /reset/ : /closed the connection/);
    }
  }
  const world = new World();
  world.clock.at(1, () => world.far.sendFin());
  const [entry] = await world.settle(world.entry());
  failed(entry, 'closed', /closed the connection/);
});

test('a peer that ends right behind its HELLO is no lane', async () => {
  for (const end of ['sendFin', 'abort'] as const) {
    const world = new World();
    world.sends(seal({}));
    world.near[end]();
    const [exit] = await world.settle(world.exit());
    failed(exit, 'closed', end === 'abort' ? /reset/ : /closed the connection/);
  }
  // Refused is refused, whether or not the entry waits to hear it.
  const world = new World();
  world.sends(seal({}, binding, new Uint8Array(32)));
  world.near.sendFin();
  const [exit] = await world.settle(world.exit());
  refused(exit, ReplyStatus.BAD_KEY);
});

test('frames that come right behind the handshake are not lost', async () => {
  const frames = concat([
    dataFrame(1, 0, new Uint8Array(5_000).fill(7)),
    dataFrame(1, 5_000, bytesOf('end')),
  ]);
  const hello = seal({});
  for (const cut of [1, 63, hello.length - 1, hello.length, hello.length + 1, hello.length + 700]) {
    const world = new World();
    const all = concat([hello, frames]);
    world.sends(all.subarray(0, cut), all.subarray(cut));
    const [exit] = await world.settle(world.exit());
    assert.deepEqual(await earlyAndRest(world, joined(exit), world.far), frames, `cut at ${cut}`);
  }
  // The other way: an exit that speaks right behind its REPLY.
  const world = new World();
  const entry = world.entry();
  const exit = world.exit().then((answer) => {
    world.far.send(new Chunk(frames.slice()));
    return answer;
  });
  const [near] = await world.settle(entry, exit);
  assert.deepEqual(await earlyAndRest(world, joined(near), world.near), frames);
});

test('an entry that sends without end before it is known is held back', async () => {
  const world = new World();
  const flood = new Uint8Array(16_384).fill(1);
  world.sends(seal({}));
  let sent = 0;
  while (world.near.writable) {
    world.near.send(new Chunk(flood.slice()));
    sent += flood.length;
  }
  const [exit] = await world.settle(world.exit());
  const lane = joined(exit);
  assert.ok(lane.early !== null && lane.early.length <= MAX_HANDSHAKE_BYTES + flood.length);
  assert.ok(lane.early.length < sent);
  assert.equal((await earlyAndRest(world, lane, world.far)).length, sent, 'and nothing is lost');
});

test('a refused entry reads why before the connection ends', async () => {
  const world = new World();
  const listener = world.sends(seal({}, binding, new Uint8Array(32)));
  const [exit] = await world.settle(world.exit());
  refused(exit, ReplyStatus.BAD_KEY);
  assert.equal(decodeReply(listener.bytes).status, ReplyStatus.BAD_KEY);
  assert.equal(listener.fins, 1);
  assert.equal(world.far.writable, false);
});

function helloOf(given: Partial<Hello>): Hello {
  return {
    kind: HelloKind.NEW,
    minVersion: 1,
    maxVersion: 1,
    plain: false,
    lane: 7,
    session: new Uint8Array(16),
    nonce: new Uint8Array(32).fill(5),
    settings: entrySettings,
    ...given,
  };
}

function seal(
  given: Partial<Hello>,
  channel: Uint8Array = binding,
  secret: Uint8Array = key,
): Uint8Array {
  return new HandshakeKeys(crypto, channel).sealHello(secret, encodeHello(helloOf(given)));
}

/** The fixed part of a HELLO that announces more settings than it may. */
function oversized(length: number): Uint8Array {
  const hello = seal({}).slice(0, 62);
  hello.set([length >> 8, length & 0xff], 60);
  return hello;
}

/** What a lane would see: the early chunk, and what comes after it. */
async function earlyAndRest(world: World, { early }: Joined, pipe: Pipe): Promise<Uint8Array> {
  const listener = new Listener(pipe);
  await world.settle();
  return concat([early?.bytes ?? new Uint8Array(0), listener.bytes]);
}

function joined(result: PromiseSettledResult<Joined>): Joined {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

function refused(result: PromiseSettledResult<Joined>, status: ReplyStatus): string {
  assert.equal(result.status, 'rejected');
  assert.ok(result.reason instanceof LaneRefused, String(result.reason));
  assert.equal(result.reason.status, status);
  return result.reason.message;
}

function failed(
  result: PromiseSettledResult<Joined>,
  kind: ExchangeFailed['kind'],
  message: RegExp,
): void {
  assert.equal(result.status, 'rejected');
  assert.ok(result.reason instanceof ExchangeFailed, String(result.reason));
  assert.match(result.reason.message, message);
  assert.equal(result.reason.kind, kind);
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

async function turn(): Promise<void> {
  for (let count = 0; count < 20; count += 1) await null;
}
