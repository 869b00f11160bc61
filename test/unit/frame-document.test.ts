import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Reason } from '../../src/core/errors.ts';
import { affinityDigits } from '../../src/protocol/affinity.ts';
import {
  encodeLaneAck,
  encodeOpen,
  encodeOpenOk,
  encodePing,
  encodeReason,
  encodeReset,
  encodeSessionWindow,
  encodeWindow,
  FrameType,
} from '../../src/protocol/frame.ts';
import {
  decodeHello,
  decodeReply,
  encodeHello,
  encodeReply,
  HandshakeKeys,
  HelloKind,
  plainGreeting,
  ReplyStatus,
} from '../../src/protocol/handshake.ts';
import { crypto, hkdfSha256 } from '../../src/sys/crypto.ts';
import { decodeNaively } from '../prop/naive-decoder.ts';
import { dataFrame, decode, rawFrame } from '../prop/wire.ts';

/** docs/PROTOCOL.md is held to what the code does: its bytes, its tables. */
const document = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8')
  // Tables may be padded.
  .replaceAll(/ +\|/g, ' |');

const key = run(0x00, 32);
const binding = run(0x20, 32);
const helloNonce = run(0x40, 32);
const replyNonce = run(0x60, 32);
const settings = {
  sessionWindow: 16_777_216,
  initialWindow: 65_536,
  maxChannels: 16_384,
  resume: 60_000,
};
const affinity = 0x90919293;
const keys = new HandshakeKeys(crypto, binding);
const sessionKey = keys.sessionKey(key, helloNonce, replyNonce);
const hello = keys.sealHello(
  key,
  encodeHello({
    kind: HelloKind.NEW,
    minVersion: 1,
    maxVersion: 1,
    plain: false,
    lane: 1,
    session: new Uint8Array(16),
    nonce: helloNonce,
    settings,
  }),
);
const reply = keys.sealReply(
  sessionKey,
  hello,
  encodeReply({
    version: 1,
    status: ReplyStatus.OK,
    minVersion: 1,
    maxVersion: 1,
    lane: 1,
    session: run(0x80, 16),
    nonce: replyNonce,
    settings,
  }),
);

/** Every block of bytes in the document, by the name behind its fence. */
const examples: Record<string, Uint8Array> = {
  'tls psk': hkdfSha256(key, 'tcp-striper tls psk', 32),
  'tls identity': hkdfSha256(key, 'tcp-striper tls identity', 16),
  'session key': sessionKey,
  greeting: plainGreeting(affinity),
  'offered identity': new Uint8Array(
    Buffer.from(
      Buffer.from(hkdfSha256(key, 'tcp-striper tls identity', 16)).toString('hex') +
        affinityDigits(affinity),
    ),
  ),
  hello,
  reply,
  open: encodeOpen(1, 65_536, new Uint8Array(0)),
  request: dataFrame(1, 0, ascii('ping\n'), true),
  'open ok': encodeOpenOk(1, 65_536),
  'ack 1': encodeLaneAck(1, 33, 2.5),
  'answer 1': dataFrame(1, 0, ascii('po')),
  'answer 2': dataFrame(1, 2, ascii('ng\n'), true),
  'ack 2': encodeLaneAck(2, 19, 0.4),
  window: encodeWindow(1, 81_920, 16_384),
  'session window': encodeSessionWindow(20_971_520),
  reset: encodeReset(1, Reason.RESET.code, 5),
  ping: encodePing(FrameType.PING, ascii('12345678')),
  'session close': encodeReason(FrameType.SESSION_CLOSE, 0, Reason.SHUTDOWN.code),
};

test('the bytes in the document are what the code makes', () => {
  const blocks = [...document.matchAll(/```hex (.+)\n([\s\S]*?)```/g)];
  const found = Object.fromEntries(
    blocks.map(([, name, body]) => [name, body!.replace(/\s+/g, ' ').trim()]),
  );
  const expected = Object.fromEntries(
    Object.entries(examples).map(([name, bytes]) => [name, spaced(bytes)]),
  );
  assert.deepEqual(found, expected);
});

test('the examples are read as they were meant', () => {
  assert.deepEqual(decodeHello(hello).settings, settings);
  assert.deepEqual(decodeReply(reply).session, run(0x80, 16));
  assert.ok(keys.opensHello(key, hello) && keys.opensReply(sessionKey, hello, reply));
  for (const [name, bytes] of Object.entries(examples).slice(7)) {
    const [told] = decode([bytes]);
    assert.ok(told !== undefined && told.kind !== 'error', name);
  }
});

test('the table of frames names each type, with the lengths that a decoder takes', () => {
  const rows = [
    ...document.matchAll(
      /^\| 0x([0-9a-f]{2}) \| ([A-Z_]+) \|[^|]*\| ([\d, ]+)(?: to ([\d, ]+))? \|/gm,
    ),
  ];
  const types = Object.fromEntries(
    rows.map(([, code, name]) => [name, Number.parseInt(code!, 16)]),
  );
  assert.deepEqual(types, FrameType);
  for (const [, code, name, least, most = least] of rows) {
    const type = Number.parseInt(code!, 16);
    const isLegal = (length: number): boolean => {
      const header = rawFrame(type, 1, new Uint8Array(0), length);
      assert.deepEqual(decode([header]), decodeNaively(header), 'both decoders agree');
      return decode([header]).every(({ kind }) => kind !== 'error');
    };
    const [min, max] = [numberOf(least!), numberOf(most!)];
    assert.deepEqual([isLegal(min), isLegal(max), isLegal(max + 1)], [true, true, false], name);
    if (min > 0) assert.equal(isLegal(min - 1), false, name);
  }
});

test('the table of reasons is the table in the code', () => {
  const rows = [...document.matchAll(/^\| (\d+) \| ([A-Z_]+) \| (channel|session|lane) \|/gm)];
  const told = Object.fromEntries(rows.map(([, code, name, scope]) => [name, `${code} ${scope}`]));
  const expected = Object.fromEntries(
    Object.entries(Reason).map(([name, { code, scope }]) => [name, `${code} ${scope}`]),
  );
  assert.deepEqual(told, expected);
});

test('the table of statuses is the table in the code', () => {
  const rows = [...document.matchAll(/^\| (\d+) \| ([A-Z_]+) \| (?!channel|session|lane)/gm)];
  const told = Object.fromEntries(rows.map(([, code, name]) => [name, Number(code)]));
  assert.deepEqual(told, ReplyStatus);
});

function run(first: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => first + at);
}

function ascii(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

function spaced(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function numberOf(text: string): number {
  return Number(text.replace(/[ ,]/g, ''));
}
