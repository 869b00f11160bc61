import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolViolation } from '../../src/core/errors.ts';
import { Lane } from '../../src/protocol/lane.ts';
import { Control, type Item } from '../../src/protocol/segment.ts';
import { Port } from '../fuzz/end.ts';

function item(): Control {
  return new Control('other', new Uint8Array(0));
}

function laneWith(...frameBytes: number[]): { lane: Lane; items: Control[] } {
  const lane = new Lane(1, new Port(), 0);
  const items = frameBytes.map(() => item());
  for (const [at, each] of items.entries()) lane.track(each, frameBytes[at]!, 0);
  return { lane, items };
}

test('one counter of bytes acknowledges whole frames, in order', () => {
  const { lane, items } = laneWith(100, 50, 30);
  const acked: Item[] = [];
  const ack = (received: number): number => lane.onAck(received, 0, 10, (each) => acked.push(each));
  assert.equal(lane.inFlight, 180);
  assert.equal(ack(99), 99);
  assert.deepEqual(acked, []);
  assert.equal(ack(150), 51);
  assert.deepEqual(acked, items.slice(0, 2));
  assert.equal(lane.inFlight, 30);
  assert.deepEqual([ack(150), ack(20)], [0, 0], 'an old one changes nothing');
  assert.throws(() => ack(181), ProtocolViolation);
  assert.equal(ack(180), 30);
  assert.deepEqual([lane.inFlight, lane.hasFlights], [0, false]);
  assert.deepEqual(
    items.map(({ carriers }) => carriers),
    [0, 0, 0],
  );
});

test('frames that nobody waits for count as bytes, and do not keep the lane busy', () => {
  const { lane } = laneWith(100);
  lane.postUntracked(new Uint8Array(16));
  assert.equal(lane.sentBytes, 116);
  lane.onAck(100, 0, 5, () => {});
  assert.deepEqual([lane.inFlight, lane.hasFlights], [0, false]);
  assert.equal(
    lane.onAck(116, 0, 6, () => {}),
    16,
  );
});

test('what a lost lane carried is given back in order', () => {
  const { lane, items } = laneWith(10, 20, 30);
  lane.onAck(10, 0, 1, () => {});
  assert.deepEqual(lane.takeFlights(), items.slice(1));
  assert.deepEqual([lane.inFlight, lane.hasFlights], [0, false]);
  assert.deepEqual(
    items.map(({ carriers }) => carriers),
    [0, 0, 0],
  );
});

test('the frames of a turn leave as one piece', () => {
  const port = new Port();
  const lane = new Lane(1, port, 0);
  lane.flush();
  assert.equal(port.sentBytes, 0);
  lane.post(Uint8Array.of(1, 2));
  lane.post(Uint8Array.of(3));
  assert.equal(lane.hasOutbox, true);
  lane.flush();
  assert.deepEqual([...port.take()], [1, 2, 3]);
  assert.equal(lane.hasOutbox, false);
});

test('an acknowledgement is owed for frames, within 5 ms, or at once for many bytes', () => {
  const lane = new Lane(7, new Port(), 0);
  lane.onReceived(1_000, 10);
  lane.frameEndedAt = 10;
  assert.equal(lane.isAckDue(1_000), false, 'bytes alone are owed nothing');
  lane.oweAck(10);
  lane.oweAck(14);
  assert.deepEqual([lane.ackDueAt, lane.isAckDue(14.9), lane.isAckDue(15)], [15, false, true]);
  // It says what has come by now, and how long ago the last frame was whole: 2.5 ms.
  const frame = lane.takeAck(12.5);
  assert.equal(Buffer.from(frame).toString('hex'), '0300000800000007' + '0000000003e8' + '0019');
  assert.deepEqual([lane.ackDueAt, lane.isAckDue(1_000)], [null, false]);

  lane.oweAck(20);
  lane.onReceived(32 * 1_024, 20);
  assert.equal(lane.isAckDue(20), true);
});

test('acknowledgements keep their distance, and much that comes at once breaks it', () => {
  const lane = new Lane(7, new Port(), 0);
  const receive = (bytes: number, now: number): void => {
    lane.onReceived(bytes, now);
    lane.oweAck(now);
  };
  receive(40 * 1_024, 10);
  lane.takeAck(10);
  receive(40 * 1_024, 10.2);
  assert.deepEqual([lane.ackDueAt, lane.isAckDue(10.9), lane.isAckDue(11)], [11, false, true]);
  receive(100 * 1_024, 10.3);
  assert.equal(lane.isAckDue(10.3), true);
  // Where frames are longer than that, a frame's worth is much.
  lane.takeAck(11);
  lane.lastPayloadBytes = 400 * 1_024;
  receive(399 * 1_024, 11.1);
  assert.deepEqual([lane.ackDueAt, lane.isAckDue(11.1)], [12, false]);
  receive(1_024, 11.2);
  assert.equal(lane.isAckDue(11.2), true);
});

test('silence is counted from the last progress, and from when there was something to wait for', () => {
  const lane = new Lane(1, new Port(), 0);
  assert.equal(lane.silence(5_000), 0);
  lane.track(item(), 10, 5_000);
  lane.track(item(), 10, 5_100);
  assert.equal(lane.silence(5_300), 300);
  lane.onAck(10, 0, 5_200, () => {});
  assert.equal(lane.silence(5_300), 100);
  lane.onAck(20, 0, 5_300, () => {});
  assert.equal(lane.silence(9_000), 0);
});
