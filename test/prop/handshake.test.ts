import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  commonVersion,
  decodeHello,
  decodeReply,
  encodeHello,
  encodeReply,
  HandshakeError,
  HandshakeKeys,
  type Hello,
  HelloKind,
  handshakeLength,
  hasMagic,
  MAX_HANDSHAKE_BYTES,
  plainGreeting,
  type Reply,
  ReplyStatus,
  type Settings,
  VERSION,
} from '../../src/protocol/handshake.ts';
import { crypto } from '../../src/sys/crypto.ts';
import { u32, u48 } from './wire.ts';

const u8 = fc.nat(255);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const plainObject = { noNullPrototype: true };
const settings: fc.Arbitrary<Settings> = fc.record(
  {
    sessionWindow: u48,
    initialWindow: u48,
    maxChannels: u48,
    resume: u48,
  },
  plainObject,
);
const hello: fc.Arbitrary<Hello> = fc.record(
  {
    kind: fc.constantFrom(HelloKind.NEW, HelloKind.JOIN),
    minVersion: u8,
    maxVersion: u8,
    plain: fc.boolean(),
    lane: u32,
    session: bytes(16),
    nonce: bytes(32),
    settings,
  },
  plainObject,
);
const reply: fc.Arbitrary<Reply> = fc.record(
  {
    version: u8,
    status: fc.constantFrom(...Object.values(ReplyStatus)),
    minVersion: u8,
    maxVersion: u8,
    lane: u32,
    session: bytes(16),
    nonce: bytes(32),
    settings,
  },
  plainObject,
);
const key = bytes(32);
const binding = bytes(32);

test('HELLO and REPLY come back from their bytes', () => {
  const keys = new HandshakeKeys(crypto, new Uint8Array(32));
  fc.assert(
    fc.property(hello, reply, key, (said, answer, secret) => {
      const sealedHello = keys.sealHello(secret, encodeHello(said));
      assert.deepEqual(decodeHello(sealedHello), said);
      assert.equal(handshakeLength(sealedHello), sealedHello.length);
      const sealedReply = keys.sealReply(secret, sealedHello, encodeReply(answer));
      assert.deepEqual(decodeReply(sealedReply), answer);
      assert.ok(sealedReply.length <= MAX_HANDSHAKE_BYTES);
    }),
  );
});

test('the length is known once the fixed part is there, and never changes after', () => {
  const keys = new HandshakeKeys(crypto, new Uint8Array(32));
  fc.assert(
    fc.property(hello, (said) => {
      const sealed = keys.sealHello(new Uint8Array(32), encodeHello(said));
      for (let end = 0; end <= sealed.length; end += 1) {
        const length = handshakeLength(sealed.subarray(0, end));
        assert.equal(length, end < 62 ? null : sealed.length);
      }
    }),
    { numRuns: 10 },
  );
});

test('every bit of HELLO, REPLY and binding is under the mac', () => {
  fc.assert(
    fc.property(hello, reply, key, binding, (said, answer, secret, channel) => {
      const keys = new HandshakeKeys(crypto, channel);
      const sealedHello = keys.sealHello(secret, encodeHello(said));
      const sealedReply = keys.sealReply(secret, sealedHello, encodeReply(answer));
      assert.ok(keys.opensHello(secret, sealedHello));
      assert.ok(keys.opensReply(secret, sealedHello, sealedReply));
      for (const forged of flips(sealedHello)) {
        assert.ok(!keys.opensHello(secret, forged));
        assert.ok(!keys.opensReply(secret, forged, sealedReply), 'a reply answers one hello');
      }
      for (const forged of flips(sealedReply)) {
        assert.ok(!keys.opensReply(secret, sealedHello, forged));
      }
      for (const other of flips(channel)) {
        const elsewhere = new HandshakeKeys(crypto, other);
        assert.ok(!elsewhere.opensHello(secret, sealedHello));
        assert.ok(!elsewhere.opensReply(secret, sealedHello, sealedReply));
      }
      for (const other of flips(secret)) {
        assert.ok(!keys.opensHello(other, sealedHello));
        assert.ok(!keys.opensReply(other, sealedHello, sealedReply));
      }
      assert.ok(!keys.opensReply(secret, sealedHello, sealedHello), 'a hello is no reply');
      assert.ok(!keys.opensHello(secret, sealedReply), 'a reply is no hello');
    }),
    { numRuns: 3 },
  );
});

test('a session key depends on the shared key, both nonces and the binding', () => {
  fc.assert(
    fc.property(key, bytes(32), bytes(32), binding, (secret, nonceA, nonceB, channel) => {
      const keys = new HandshakeKeys(crypto, channel);
      const expected = hex(keys.sessionKey(secret, nonceA, nonceB));
      assert.equal(expected.length, 64);
      const variants = [
        ...flips(secret).map((other) => keys.sessionKey(other, nonceA, nonceB)),
        ...flips(nonceA).map((other) => keys.sessionKey(secret, other, nonceB)),
        ...flips(nonceB).map((other) => keys.sessionKey(secret, nonceA, other)),
        ...flips(channel).map((other) =>
          new HandshakeKeys(crypto, other).sessionKey(secret, nonceA, nonceB),
        ),
      ];
      assert.equal(new Set([expected, ...variants.map(hex)]).size, 1 + variants.length);
      assert.equal(hex(keys.sessionKey(secret, nonceA, nonceB)), expected);
    }),
    { numRuns: 3 },
  );
});

test('any bytes are a handshake, incomplete, or refused with a HandshakeError', () => {
  const opening = fc.constantFrom(
    plainGreeting(0),
    plainGreeting(0).subarray(0, 4),
    new Uint8Array(0),
  );
  fc.assert(
    fc.property(opening, fc.uint8Array({ maxLength: 700, size: 'max' }), (first, rest) => {
      const given = new Uint8Array([...first, ...rest]);
      for (const read of [handshakeLength, decodeHello, decodeReply]) {
        try {
          read(given);
        } catch (error) {
          assert.ok(error instanceof HandshakeError, String(error));
          assert.notEqual(error.message, '');
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('a wrong magic shows with its first wrong byte', () => {
  fc.assert(
    fc.property(fc.nat(3), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const given = plainGreeting(0);
      given[at]! ^= flip;
      assert.ok(hasMagic(given.subarray(0, at)));
      assert.ok(!hasMagic(given.subarray(0, at + 1)));
      assert.throws(() => handshakeLength(given.subarray(0, at + 1)), HandshakeError);
    }),
  );
});

test('the common version is the highest that both know', () => {
  fc.assert(
    fc.property(u8, u8, (min, max) => {
      const both = [...Array(256).keys()].filter(
        (version) =>
          version >= min && version <= max && version >= VERSION.min && version <= VERSION.max,
      );
      assert.equal(commonVersion(min, max), both.at(-1) ?? null);
    }),
  );
});

/** The bytes with each one bit inverted in turn. */
function flips(given: Uint8Array): Uint8Array[] {
  return Array.from({ length: given.length * 8 }, (_, bit) => {
    const copy = given.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    return copy;
  });
}

function hex(given: Uint8Array): string {
  return Buffer.from(given).toString('hex');
}
