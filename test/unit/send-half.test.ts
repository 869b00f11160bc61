import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk } from '../../src/core/chunk.ts';
import { Channel } from '../../src/protocol/channel.ts';
import { MAX_PAYLOAD_BYTES } from '../../src/protocol/frame.ts';
import type { SendHalf } from '../../src/protocol/send-half.ts';

function sendHalf(...written: number[]): SendHalf {
  const { send } = new Channel(1, { sendLimit: 1e9, receiveWindow: 0, isKnown: true });
  for (const length of written) send.push(new Chunk(new Uint8Array(length)));
  return send;
}

test('a direction is done once all of it is acknowledged, not only its FIN', () => {
  const send = sendHalf(20_000, 20_000);
  send.state = 'fin-queued';
  const first = send.take(20_000, 1e9, 0);
  const last = send.take(20_000, 1e9, 0);
  assert.deepEqual([first.fin, last.fin], [false, true]);
  send.onAcked(last);
  assert.equal(send.state, 'fin-sent');
  send.onAcked(first);
  assert.equal(send.state, 'done');
});

test('the same when the last segment was cut, and when a window acknowledges the rest', () => {
  const send = sendHalf(20_000, 20_000);
  send.state = 'fin-queued';
  send.take(20_000, 1e9, 0);
  const last = send.take(20_000, 1e9, 0);
  const [head, tail] = last.split(5_000);
  send.onAcked(tail);
  assert.equal(send.onDelivered(20_000), 20_000);
  assert.equal(send.state, 'fin-sent');
  send.onAcked(head);
  assert.equal(send.state, 'done');
});

test('a window acknowledges whole segments below it, and no FIN', () => {
  const send = sendHalf(100, 20_000);
  send.state = 'fin-queued';
  send.take(100, 1e9, 0);
  send.take(20_000, 1e9, 0);
  assert.equal(send.onDelivered(99), 0);
  assert.equal(send.onDelivered(20_100), 100);
  assert.equal(send.outstandingBytes, 20_000);
});

test('a segment suits its lane, but leaves no crumb', () => {
  const send = sendHalf(1_250, 1_251, 10);
  assert.equal(send.take(1_000, 1e9, 0).length, 1_250);
  assert.equal(send.take(1_000, 1e9, 0).length, 1_000);
  assert.equal(send.take(1_000, 1e9, 0).length, 261, 'what is left is joined');
  assert.equal(send.hasNew, false);
});

test('a segment is never longer than a frame may be', () => {
  const send = sendHalf(MAX_PAYLOAD_BYTES + 1);
  assert.equal(send.take(MAX_PAYLOAD_BYTES, 1e9, 0).length, MAX_PAYLOAD_BYTES);
  assert.equal(send.take(MAX_PAYLOAD_BYTES, 1e9, 0).length, 1);
});

test('with many small frames under way, the next waits until some have arrived', () => {
  const send = sendHalf();
  const segments = Array.from({ length: 129 }, () => {
    assert.equal(send.isFragmented, false);
    send.push(new Chunk(new Uint8Array(1)));
    return send.take(1_000, 1e9, 0);
  });
  assert.equal(send.isFragmented, true);
  send.onAcked(segments[77]!);
  assert.equal(send.isFragmented, false);
});

test('a channel is interactive while it sends little', () => {
  const send = sendHalf(1_000);
  assert.equal(send.isSparse(0), true);
  send.take(1_000, 1e9, 0);
  send.push(new Chunk(new Uint8Array(16_000)));
  assert.equal(send.isSparse(50), false);
  assert.equal(send.isSparse(101), true);
});
