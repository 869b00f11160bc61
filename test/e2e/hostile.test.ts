import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  encodeHello,
  type Hello,
  HelloKind,
  NONCE_BYTES,
  plainGreeting,
  SESSION_ID_BYTES,
} from '../../src/protocol/handshake.ts';
import { MiB } from './support/numbers.ts';
import { Pair, testKey } from './support/pair.ts';
import { ProxyProcess } from './support/proxy-process.ts';
import { Recorder } from './support/recorder.ts';
import { Target } from './support/target.ts';
import { closed } from './support/traffic.ts';
import { until, within } from './support/wait.ts';

const limits = { timeout: 60_000 };
const MAC = Buffer.alloc(32, 7);
const isLinux = process.platform === 'linux';

/** Arguments of an exit that looks into connections before it gives them away. */
const sorting = ['--workers', '2'];

for (const [plain, exitArgs] of [
  [true, []],
  [false, []],
  [true, sorting],
  [false, sorting],
] as const) {
  test(
    `strangers at ${plain ? 'a plain' : 'a TLS'} exit ${exitArgs.join(' ')}: it stays up, says each thing once, and honest traffic notices nothing`,
    limits,
    async (t) => {
      const pair = await startPair(t, plain, exitArgs);
      const honest = new HonestTraffic(pair);
      t.after(() => honest.stop());
      await until(
        () => honest.rounds > 20,
        5_000,
        () => 'honest traffic',
      );
      const seed = randomInt(2 ** 32);
      t.diagnostic(`seed ${seed}`);
      const random = randomBytes(seed);
      const attack = (bytes: Uint8Array, end?: 'fin' | 'rst') => hit(pair.exit.port, bytes, end);

      // The first round warms up what the second one must not need again.
      let before = 0;
      for (let round = 0; round < 2; round += 1) {
        if (isLinux) before = pair.exit.rss;
        const waited: Promise<unknown>[] = [];
        for (let n = 0; n < 100; n += 1) {
          const noise = attack(random(1 + (n % 20) * 200));
          // One byte may become anything: the exit waits for more, and the other attacks go on.
          if (n % 20 === 0) waited.push(noise);
          else await noise;
          await attack(openingOf(plain).subarray(0, 1 + (n % 150)), n % 2 === 0 ? 'fin' : 'rst');
          await attack(openingOf(plain, { minVersion: 200, maxVersion: 255 }));
        }
        await attack(oversized(plain));
        await attack(Buffer.from('GET / HTTP/1.1\r\nHost: example\r\n\r\n'));
        await attack(openingOf(plain)); // a mac that is wrong
        await attack(new Uint8Array(2 * MiB));
        await Promise.all(waited);
      }
      const complaints = pair.exit.linesLike(/^(warn|error)/);
      t.diagnostic(`${complaints.length} lines in the log after 600 attacks`);
      assert.ok(complaints.length > 0 && complaints.length <= 10, pair.exit.logText);

      if (isLinux) {
        const growth = (pair.exit.rss - before) / MiB;
        assert.ok(growth < 24, `resident memory grew by ${growth} MiB`);
      }
      await honest.expectUnharmed();
    },
  );
}

for (const exitArgs of [[], sorting]) {
  test(
    `strangers that are slow, and 300 at once: cut off in time, told once, honest traffic notices nothing ${exitArgs.join(' ')}`,
    limits,
    async (t) => {
      const pair = await startPair(t, true, exitArgs);
      const honest = new HonestTraffic(pair);
      t.after(() => honest.stop());
      const sockets = isLinux ? pair.exit.sockets : 0;
      const start = performance.now();

      const slow = dial(pair.exit.port);
      const opening = openingOf(true);
      let at = 0;
      const drip = setInterval(() => slow.write(opening.subarray(at, ++at)), 100);
      t.after(() => clearInterval(drip));
      const mute = Array.from({ length: 300 }, () => dial(pair.exit.port));

      // As many as one host may have wait for their time to pass; the others are reset.
      const isCrowdGone = (): boolean => mute.filter((socket) => socket.closed).length >= 236;
      await until(isCrowdGone, 3_000, () => 'RST to all but 64');
      assert.equal(pair.exit.linesLike(/turned away/).length, 1, pair.exit.logText);

      for (const socket of [slow, ...mute]) socket.resume();
      await within(7_000, Promise.all([slow, ...mute].map(closed)), 'all are cut off');
      const took = performance.now() - start;
      assert.ok(took > 4_500, `${took} ms: they should have had their time`);
      assert.ok(at > 30, 'the slow one was heard');

      assert.ok(pair.exit.linesLike(/^(warn|error)/).length <= 3, pair.exit.logText);
      await honest.expectUnharmed();
      if (isLinux)
        await until(
          () => pair.exit.sockets <= sockets,
          2_000,
          () => 'no socket is left',
        );
    },
  );
}

test(
  'a recorded handshake of a plain lane is worthless on another connection',
  limits,
  async (t) => {
    const target = await Target.start((socket) => socket.pipe(socket));
    t.after(() => target.close());
    const far = await ProxyProcess.start(
      ['exit', '127.0.0.1:0', '--to', target.address, '--plain'],
      testKey,
    );
    t.after(() => far.kill());
    const recorder = await Recorder.start(far.port);
    t.after(() => recorder.close());
    const near = await ProxyProcess.start(
      ['entry', '0', '--exit', `127.0.0.1:${recorder.port}`, '-n', '3', '--plain'],
      testKey,
    );
    t.after(() => near.kill());
    const isUp = async (): Promise<boolean> =>
      (await near.status()).sessions[0]?.lanes.length === 3;
    await until(isUp, 5_000, () => '3 lanes');
    assert.equal(recorder.recordings.length, 3);

    for (const recording of recorder.recordings) {
      for (let again = 0; again < 3; again += 1) {
        const { answer } = await hit(far.port, recording);
        // A challenge of its own, and a refusal.
        assert.equal(answer[32 + 5], 2, 'the reply says: wrong key');
      }
    }
    const { sessions } = await far.status();
    assert.equal(sessions.length, 1);
    assert.equal(sessions[0]?.lanes.length, 3);
    assert.equal(far.linesLike(/^(warn|error)/).length, 1, far.logText);
    assert.match(far.logText, /wrong key/);
    assert.deepEqual(near.linesLike(/lane ended/), []);
  },
);

async function startPair(
  t: TestContext,
  plain: boolean,
  exitArgs: readonly string[],
): Promise<Pair> {
  const target = await Target.start((socket) => socket.pipe(socket));
  t.after(() => target.close());
  return Pair.start(t, { to: target.address, lanes: 4, plain, exitArgs });
}

/** New connections through the pair, one after the other, each with an echo. */
class HonestTraffic {
  rounds = 0;
  readonly #pair: Pair;
  #worst = 0;
  #isStopped = false;
  readonly #loop: Promise<void>;

  constructor(pair: Pair) {
    this.#pair = pair;
    this.#loop = this.#run();
    this.#loop.catch(() => {});
  }

  stop(): void {
    this.#isStopped = true;
  }

  async expectUnharmed(): Promise<void> {
    this.stop();
    await this.#loop;
    assert.ok(this.#worst < 1_000, `an echo took ${this.#worst} ms`);
    await this.#pair.isIdle();
    for (const side of ['entry', 'exit'] as const) {
      const session = await this.#pair.session(side);
      assert.equal(session.channels.reset, 0);
      assert.deepEqual(this.#pair[side].linesLike(/lane ended|session over/), []);
    }
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const start = performance.now();
      const socket = this.#pair.dial();
      socket.end('hello');
      const [answer] = (await within(3_000, once(socket, 'data'), 'an echo')) as [Buffer];
      assert.equal(answer.toString(), 'hello');
      await closed(socket);
      this.#worst = Math.max(this.#worst, performance.now() - start);
      this.rounds += 1;
    }
  }
}

/** Sends the bytes to the port. @returns what came back, once the connection is gone */
async function hit(
  port: number,
  bytes: Uint8Array,
  end: 'fin' | 'rst' | 'none' = 'none',
): Promise<{ answer: Buffer }> {
  const socket = dial(port);
  const answer: Buffer[] = [];
  socket.on('data', (piece: Buffer) => answer.push(piece));
  await once(socket, 'connect');
  socket.write(bytes);
  if (end === 'fin') socket.end();
  if (end === 'rst') socket.resetAndDestroy();
  await within(10_000, closed(socket), 'the exit hangs up');
  return { answer: Buffer.concat(answer) };
}

function dial(port: number): Socket {
  return connect({ port, host: '127.0.0.1' }).on('error', () => {});
}

/** What a stranger who knows the protocol, but not the key, would begin with. */
function openingOf(plain: boolean, changes: Partial<Hello> = {}): Buffer {
  const hello = encodeHello({
    kind: HelloKind.NEW,
    minVersion: 1,
    maxVersion: 1,
    plain,
    lane: 1,
    session: new Uint8Array(SESSION_ID_BYTES),
    nonce: new Uint8Array(NONCE_BYTES),
    settings: { sessionWindow: MiB, initialWindow: MiB, maxChannels: 10, resume: 1_000 },
    ...changes,
  });
  return Buffer.concat([plain ? plainGreeting(0) : new Uint8Array(0), hello, MAC]);
}

function oversized(plain: boolean): Buffer {
  const opening = openingOf(plain);
  const lengthAt = (plain ? plainGreeting(0).length : 0) + 12 + SESSION_ID_BYTES + NONCE_BYTES;
  opening.writeUInt16BE(0xffff, lengthAt);
  return Buffer.concat([opening, Buffer.alloc(100_000)]);
}

/** xorshift: the same bytes for the same seed. */
function randomBytes(seed: number): (length: number) => Buffer {
  let state = seed | 1;
  return (length) => {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      bytes[at] = state & 0xff;
    }
    return bytes;
  };
}
