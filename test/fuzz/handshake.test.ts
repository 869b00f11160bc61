import assert from 'node:assert/strict';
import { Chunk } from '../../src/core/chunk.ts';
import { ExchangeFailed } from '../../src/io/exchange.ts';
import { answerHello, joinSession, LaneRefused } from '../../src/io/lane-handshake.ts';
import type { Pipe, PipeHandler } from '../../src/io/pipe.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';
import {
  decodeHello,
  decodeReply,
  encodeHello,
  HandshakeError,
  HandshakeKeys,
  HelloKind,
  handshakeLength,
  plainGreeting,
  ReplyStatus,
} from '../../src/protocol/handshake.ts';
import { crypto } from '../../src/sys/crypto.ts';
import type { Random } from '../sim/random.ts';
import { fuzz } from './fuzz.ts';
import { mutate, noise, shred } from './mutate.ts';

const key = new Uint8Array(32).fill(1);
const binding = new Uint8Array(32).fill(2);
const settings = { sessionWindow: 1, initialWindow: 2, maxChannels: 3, resume: 4 };
const TIMEOUT = 5_000;

fuzz('random and faulty handshakes are read or refused, and nothing else', (random) => {
  const bytes = strangeHello(random);
  for (const read of [handshakeLength, decodeHello, decodeReply]) {
    try {
      read(bytes);
    } catch (error) {
      assert.ok(error instanceof HandshakeError, String(error));
    }
  }
});

/** Answers nothing, and ends when the other does. */
const deaf: PipeHandler = {
  onChunk: (chunk) => chunk.release(),
  onFin() {},
  onDrain() {},
  onFinSent() {},
  onBroken() {},
};

fuzz(
  'whatever a stranger sends, no end takes it for a lane, and nothing is left of it',
  async (random) => {
    const clock = new VirtualClock();
    const [near, far] = memoryPipePair({ capacity: 65_536, clock });
    const isPlain = random.chance(0.3);
    const options = {
      key,
      binding: isPlain ? null : binding,
      crypto,
      clock,
      timeout: TIMEOUT,
      settings,
    };
    near.attach(deaf);
    near.resume();
    const answer = random.chance(0.5)
      ? answerHello(far, options, {
          sessionKey: () => (random.chance(0.5) ? key : null),
          decide: () => ({ status: ReplyStatus.OK, session: new Uint8Array(16) }),
        })
      : joinSession(far, options, 1, null);
    const settled = answer.then(
      () => assert.fail('a stranger has no lane'),
      (error: unknown) => {
        assert.ok(error instanceof LaneRefused || error instanceof ExchangeFailed, String(error));
      },
    );
    speak(near, clock, random);
    do for (let count = 0; count < 10; count += 1) await null;
    while (clock.step());
    await settled;
    assert.ok(clock.now() <= TIMEOUT + 1_100);
    assert.equal(clock.pending, 0);
    assert.equal(far.writable, false, 'the pipe is gone');
  },
);

/** The stranger speaks in pieces, with pauses, and may end. */
function speak(pipe: Pipe, clock: VirtualClock, random: Random): void {
  let at = 0;
  for (const piece of shred(random, strangeHello(random))) {
    at += random.chance(0.2) ? random.int(0, 1_000) : 0;
    clock.at(at, () => {
      if (pipe.writable) pipe.send(new Chunk(piece));
    });
  }
  const ending = random.pick(['none', 'none', 'sendFin', 'abort'] as const);
  if (ending !== 'none') clock.at(at + 1, () => pipe[ending]());
}

/** Bytes that begin like a handshake of somebody who does not know the key. */
function strangeHello(random: Random): Uint8Array {
  const hello = encodeHello({
    kind: random.pick([HelloKind.NEW, HelloKind.JOIN]),
    minVersion: random.int(0, 2),
    maxVersion: random.int(0, 2),
    plain: random.chance(0.3),
    lane: random.int(0, 9),
    session: noise(random, 16),
    nonce: noise(random, 32),
    settings,
  });
  const stranger = new Uint8Array(32).fill(9);
  const sealed = new HandshakeKeys(crypto, binding).sealHello(stranger, hello);
  const greeted = new Uint8Array([...plainGreeting(0), ...sealed]);
  switch (random.int(0, 4)) {
    case 0:
      return noise(random, random.int(0, 800));
    case 1:
      return mutate(random, sealed);
    case 2:
      return mutate(random, greeted);
    case 3:
      return greeted;
    default:
      return new Uint8Array([...sealed, ...noise(random, random.int(0, 3_000))]);
  }
}
