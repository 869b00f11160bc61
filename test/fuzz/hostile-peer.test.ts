import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReasonName } from '../../src/core/errors.ts';
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
import { concat, dataFrame, rawFrame } from '../prop/wire.ts';
import { chunkOf, End, INITIAL_WINDOW, MAX_CHANNELS, Reader, SESSION_WINDOW } from './end.ts';

const noTarget = new Uint8Array(0);
const open = (id: number): Uint8Array => encodeOpen(id, INITIAL_WINDOW, noTarget);

/** An exit whose channels are read by `readers`, or stay paused. */
function exit(reads = false): { end: End; readers: Reader[] } {
  const readers: Reader[] = [];
  const end = new End('exit', 1, {
    onOpen(channel) {
      const reader = new Reader();
      channel.handler = reader;
      readers.push(reader);
      if (reads) end.session.resume(channel);
    },
  });
  return { end, readers };
}

function assertEnded(end: End, reason: ReasonName, detail: RegExp): void {
  end.settle();
  assert.equal(end.closed?.reason, reason);
  assert.match(end.closed.detail, detail);
  assert.match(end.closed.detail, /lane 1/, 'it says where');
  assert.equal(end.closings, 1);
  assert.ok(end.saidTypes().includes('0x07#0'), 'the peer hears SESSION_CLOSE');
  assertEmpty(end);
}

function assertEmpty(end: End): void {
  assert.equal(end.budget.used, 0);
  assert.equal(end.session.delivery.heldBytes, 0);
  assert.equal(end.session.channels.active, 0);
  assert.equal(end.session.nextDeadline(end.now), Number.POSITIVE_INFINITY);
  assert.equal(end.session.hasDeliverable, false);
  end.slabs.assertAllHome();
}

test('DATA beyond the window of its channel is refused at its header', () => {
  for (const reads of [false, true]) {
    const { end, readers } = exit(reads);
    end.receive(open(1));
    const { limit } = end.opened[0]!.receive.window;
    // Sixteen bytes of header; nothing of the payload is there.
    end.receive(dataFrame(1, limit - 9, new Uint8Array(10)).subarray(0, 16));
    assertEnded(end, 'WINDOW_EXCEEDED', new RegExp(`${limit + 1} beyond ${limit}`));
    assert.deepEqual(readers[0]?.resets, ['WINDOW_EXCEEDED']);
  }
});

test('DATA up to the very window is fine', () => {
  const { end } = exit();
  end.receive(open(1));
  const { limit } = end.opened[0]!.receive.window;
  assert.ok(limit >= INITIAL_WINDOW);
  end.receive(dataFrame(1, limit - 10, new Uint8Array(10)));
  end.receive(dataFrame(1, 0, new Uint8Array(limit)));
  assert.equal(end.closed, null);
  assert.equal(end.session.delivery.heldBytes, limit);
});

test('DATA beyond the window of the session, each channel within its own', () => {
  const { end } = exit();
  const full = new Uint8Array(INITIAL_WINDOW);
  for (let id = 1; id <= 3; id += 1) end.receive(concat([open(id), dataFrame(id, 0, full)]));
  assert.equal(end.closed, null);
  const rest = SESSION_WINDOW - 3 * INITIAL_WINDOW;
  end.receive(concat([open(4), dataFrame(4, 0, new Uint8Array(rest))]));
  assert.equal(end.closed, null);
  end.receive(dataFrame(4, rest, new Uint8Array(1)).subarray(0, 16));
  assertEnded(end, 'WINDOW_EXCEEDED', /200001 in the session, beyond 200000/);
});

test('a FIN that moves, and data beyond a FIN', () => {
  const bad: [Uint8Array, RegExp][] = [
    [dataFrame(1, 5, new Uint8Array(1), true), /6 beyond the end at 5|6 after 5/],
    [dataFrame(1, 0, new Uint8Array(3), true), /3 after 5/],
    [dataFrame(1, 5, new Uint8Array(1)), /6 beyond the end at 5/],
    [encodeReset(1, 1, 6), /6 after 5/],
    [encodeReset(1, 1, 4), /4 after 5/],
  ];
  for (const reads of [false, true]) {
    for (const [frame, detail] of bad) {
      const { end } = exit(reads);
      end.receive(concat([open(1), dataFrame(1, 0, new Uint8Array(5), true)]));
      end.settle();
      assert.equal(end.closed, null);
      end.receive(frame);
      assertEnded(end, 'FINAL_OFFSET', detail);
    }
  }
});

test('a FIN or RESET below what has come', () => {
  for (const frame of [dataFrame(1, 0, new Uint8Array(9), true), encodeReset(1, 1, 9)]) {
    const { end } = exit();
    end.receive(concat([open(1), dataFrame(1, 5, new Uint8Array(5))]));
    end.receive(frame);
    assertEnded(end, 'FINAL_OFFSET', /9 below 10/);
  }
});

test('a RESET beyond the window of its channel', () => {
  for (const most of [null, 2 ** 48 - 1]) {
    const { end } = exit();
    end.receive(open(1));
    const finalOffset = most ?? end.opened[0]!.receive.window.limit + 1;
    end.receive(encodeReset(1, 1, finalOffset));
    assertEnded(end, 'WINDOW_EXCEEDED', new RegExp(`${finalOffset} beyond`));
  }
});

test('an honest FIN, RESET or STOP may come again and changes nothing', () => {
  const { end, readers } = exit(true);
  end.receive(concat([open(1), open(1), dataFrame(1, 0, new Uint8Array(5), true)]));
  end.settle();
  end.receive(dataFrame(1, 0, new Uint8Array(5), true));
  end.receive(dataFrame(1, 5, new Uint8Array(0), true));
  end.settle();
  assert.equal(end.closed, null);
  assert.equal(readers.length, 1);
  assert.equal(readers[0]?.fins, 1);
  end.receive(
    concat([encodeReset(1, 1, 5), encodeReset(1, 1, 5), encodeReason(FrameType.STOP, 1, 2)]),
  );
  end.settle();
  assert.equal(end.closed, null);
  assert.deepEqual(readers[0]?.resets, ['RESET']);
  assert.equal(end.session.channels.active, 0);
});

test('OPEN beyond the limit is refused with BUSY, and the rest goes on', () => {
  const { end } = exit();
  for (let id = 1; id <= MAX_CHANNELS + 3; id += 1) end.receive(open(id));
  end.settle();
  assert.equal(end.closed, null);
  assert.equal(end.opened.length, MAX_CHANNELS);
  const refusals = end.said().filter((told) => told.kind === 'frame' && told.type === 0x12);
  assert.deepEqual(
    refusals.map((told) => told.kind === 'frame' && [told.id, told.body]),
    [1, 2, 3].map((more) => [MAX_CHANNELS + more, '0008']),
  );
  // The entry resets what was refused, and then nothing is left of it.
  for (let id = MAX_CHANNELS + 1; id <= MAX_CHANNELS + 3; id += 1)
    end.receive(encodeReset(id, 8, 0));
  assert.equal(end.session.channels.active, MAX_CHANNELS);
});

test('an OPEN flood whose refusals are ignored', () => {
  const { end } = exit();
  for (let id = 1; id <= 200_000 && end.closed === null; id += 1) {
    end.receive(open(id));
    end.settle();
    assert.ok(end.session.channels.active <= 2_000, 'what is kept for it is bounded');
  }
  assertEnded(end, 'FLOOD', /OPEN/);
});

test('OPEN and RESET in turns, with no reader for what is answered', () => {
  const { end } = exit();
  end.ports.get(end.lane)!.writable = false;
  for (let id = 1; id <= 200_000 && end.closed === null; id += 1) {
    end.receive(concat([open(id), encodeReset(id, 1, 0)]));
    end.settle();
    assert.ok(end.session.transmitter.queuedControls <= 5_000, 'what waits to be said is bounded');
  }
  assert.equal(end.closed?.reason, 'FLOOD');
  assertEmpty(end);
});

test('OPEN and RESET in turns, faster than anybody needs', () => {
  const { end } = exit();
  for (let id = 1; id <= 200_000 && end.closed === null; id += 500) {
    const pairs = Array.from({ length: 500 }, (_, at) => [
      open(id + at),
      encodeReset(id + at, 1, 0),
    ]);
    end.receive(concat(pairs.flat()));
    end.settle();
    end.receive(encodeLaneAck(1, end.lane.sentBytes, 0));
    end.ports.get(end.lane)!.take();
  }
  assert.equal(end.closed?.reason, 'FLOOD');
  assertEmpty(end);
});

test('ids that leave too many out, zero, and ids of nobody', () => {
  const bad: [Uint8Array, RegExp][] = [
    [open(0), /id 0/],
    [open(70_000), /id 70000/],
    [dataFrame(9, 0, new Uint8Array(1)), /id 9 was never opened/],
    [encodeWindow(9, 10, 0), /id 9 was never opened/],
    [encodeReason(FrameType.STOP, 9, 2), /id 9 was never opened/],
    [encodeReset(9, 1, 0), /id 9 was never opened/],
    [dataFrame(0, 0, new Uint8Array(1)), /id 0 was never opened/],
  ];
  for (const [frame, detail] of bad) {
    const { end } = exit();
    end.receive(frame);
    assertEnded(end, 'BAD_CHANNEL', detail);
  }
});

test('an exit opens no channels', () => {
  const end = new End('entry');
  end.receive(open(1));
  assertEnded(end, 'BAD_CHANNEL', /OPEN from an exit/);
});

test('an entry is told of a channel that it never opened', () => {
  const end = new End('entry');
  end.receive(encodeOpenOk(1, 100));
  assertEnded(end, 'BAD_CHANNEL', /id 1 was never opened/);
});

test('frames for a channel that is gone are dropped at both ends', () => {
  const late = [
    dataFrame(1, 0, new Uint8Array(3)),
    encodeWindow(1, 1_000_000, 3),
    encodeReset(1, 1, 3),
    encodeReason(FrameType.STOP, 1, 2),
  ];
  const { end } = exit(true);
  end.receive(concat([open(1), dataFrame(1, 0, new Uint8Array(3)), encodeReset(1, 1, 3)]));
  end.settle();
  assert.equal(end.session.channels.active, 0);
  for (const frame of late) end.receive(frame);
  assert.equal(end.closed, null);

  const entry = new End('entry');
  const channel = entry.session.open(noTarget, new Reader());
  entry.session.resume(channel);
  entry.session.write(channel, chunkOf('abc'), entry.now);
  entry.settle();
  entry.receive(encodeReset(1, 1, 3));
  entry.settle();
  assert.equal(entry.session.channels.active, 0);
  for (const frame of [...late, encodeOpenOk(1, 9), encodeReason(FrameType.OPEN_FAIL, 1, 3)]) {
    entry.receive(frame);
  }
  assert.equal(entry.closed, null);
});

test('PING floods', () => {
  const { end } = exit();
  const ping = encodePing(FrameType.PING, new Uint8Array(8));
  for (let count = 0; count < 100_000 && end.closed === null; count += 1) end.receive(ping);
  assertEnded(end, 'FLOOD', /PING/);
});

test('PINGs at an honest pace are answered for ever, and pile up nowhere', () => {
  const { end } = exit();
  const port = end.ports.get(end.lane)!;
  const ping = encodePing(FrameType.PING, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  end.receive(ping);
  end.settle();
  assert.ok(end.saidTypes().includes('0x02#0'));
  port.writable = false;
  for (let count = 0; count < 5_000; count += 1) {
    end.receive(ping);
    end.pass(20);
  }
  assert.equal(end.closed, null);
  assert.ok(port.sentBytes < 10_000, `${port.sentBytes} bytes wait for a lane that takes none`);
});

test('one-byte fragments with holes between them', () => {
  const { end } = exit();
  end.receive(open(1));
  const one = new Uint8Array(1);
  for (let at = 1; at < INITIAL_WINDOW && end.closed === null; at += 2) {
    end.receive(dataFrame(1, at, one));
    assert.ok(end.session.delivery.heldBytes <= 2_000);
  }
  assertEnded(end, 'TOO_MANY_FRAGMENTS', /\d/);
});

test('one-byte frames in order, for a reader that does not read, are no attack', () => {
  const { end, readers } = exit();
  end.receive(open(1));
  for (let at = 0; at < INITIAL_WINDOW; at += 1) {
    end.receive(dataFrame(1, at, Uint8Array.of(at & 0xff)));
  }
  assert.equal(end.closed, null);
  end.session.resume(end.opened[0]!);
  end.settle();
  assert.deepEqual(
    readers[0]?.bytes,
    Array.from({ length: INITIAL_WINDOW }, (_, at) => at & 0xff),
  );
  end.slabs.assertAllHome();
});

test('acknowledgements of what was never sent', () => {
  const { end } = exit();
  end.receive(encodeLaneAck(1, end.lane.sentBytes + 1, 0));
  assertEnded(end, 'BAD_ACK', /lane 1, \d+ of \d+/);

  const { end: other } = exit();
  other.receive(open(1));
  other.session.write(other.opened[0]!, chunkOf('abc'), other.now);
  other.settle();
  other.receive(encodeWindow(1, 100_000, 3));
  assert.equal(other.closed, null);
  other.receive(encodeWindow(1, 100_000, 4));
  assertEnded(other, 'BAD_ACK', /channel 1, 4/);
});

test('an acknowledgement for a lane that is gone is dropped', () => {
  const { end } = exit();
  end.receive(encodeLaneAck(77, 2 ** 48 - 1, 0));
  assert.equal(end.closed, null);
});

test('unknown types below 0x80 are an error, from 0x80 on they are skipped', () => {
  for (const type of [0x08, 0x0f, 0x17, 0x7f]) {
    const { end } = exit();
    end.receive(rawFrame(type, 0, new Uint8Array(4)));
    assertEnded(end, 'BAD_FRAME', new RegExp(`unknown type 0x${type.toString(16)}`));
  }
  const { end } = exit();
  for (const type of [0x80, 0xc3, 0xff]) {
    end.receive(rawFrame(type, 5, new Uint8Array(100_000)));
    end.receive(rawFrame(type, 5, new Uint8Array(0)));
  }
  end.receive(open(1));
  assert.equal(end.opened.length, 1);
  assert.equal(end.session.delivery.heldBytes, 0);
  end.slabs.assertAllHome();
});

test('oversize lengths are refused at the header, before any of the body', () => {
  const bad: [number, number][] = [
    [FrameType.DATA, 1_048_585],
    [FrameType.OPEN, 517],
    [FrameType.PAD, 1_025],
    [FrameType.PING, 9],
    [FrameType.WINDOW, 13],
    [0x90, 1_048_577],
  ];
  for (const [type, length] of bad) {
    const { end } = exit();
    end.receive(rawFrame(type, 1, new Uint8Array(0), length));
    assertEnded(end, 'FRAME_TOO_LONG', new RegExp(`0x${type.toString(16)}, ${length} bytes`));
  }
});

test('windows and limits of 2^48 - 1 do no harm', () => {
  const { end } = exit(true);
  const most = 2 ** 48 - 1;
  end.receive(concat([encodeOpen(1, 0xffff_ffff, noTarget), encodeWindow(1, most, 0)]));
  end.receive(encodeSessionWindow(most));
  end.session.write(end.opened[0]!, chunkOf(new Uint8Array(300_000)), end.now);
  end.settle();
  assert.equal(end.closed, null);
  end.receive(dataFrame(1, most - 10, new Uint8Array(10)));
  assertEnded(end, 'WINDOW_EXCEEDED', /beyond/);
});

test('what stands behind SESSION_CLOSE is not obeyed', () => {
  const { end } = exit();
  const close = encodeReason(FrameType.SESSION_CLOSE, 0, 32);
  const ping = encodePing(FrameType.PING, new Uint8Array(8));
  end.receive(concat([open(1), close, open(2), dataFrame(2, 0, new Uint8Array(9)), ping, close]));
  end.settle();
  assert.deepEqual([end.opened.length, end.closings], [1, 1]);
  assert.equal(end.closed?.reason, 'SHUTDOWN');
  assertEmpty(end);
});

test('GOAWAY and LANE_CLOSE may come again; the owner hears of GOAWAY once', () => {
  let goAways = 0;
  const end = new End('entry', 2, { onGoAway: () => goAways++ });
  const goAway = encodeReason(FrameType.GOAWAY, 0, 32);
  end.receive(concat([goAway, goAway, encodeReason(FrameType.LANE_CLOSE, 99, 66)]));
  assert.equal(goAways, 1);
  assert.equal(end.session.isOpen, false);
  assert.equal(end.closed, null);
});

test('OPEN_OK may come again; the application hears of it once', () => {
  const end = new End('entry');
  const reader = new Reader();
  end.session.open(noTarget, reader);
  end.settle();
  end.receive(concat([encodeOpenOk(1, 100_000), encodeOpenOk(1, 100_000)]));
  assert.equal(reader.opens, 1);
});

test('a handler that resets its channel in the middle of a chunk', () => {
  const { end, readers } = exit(true);
  end.receive(open(1));
  const reader = readers[0]!;
  reader.onChunk = (chunk) => {
    chunk.release();
    end.session.reset(end.opened[0]!, 'RESET');
  };
  end.settle();
  end.receive(
    concat([dataFrame(1, 0, new Uint8Array(5)), dataFrame(1, 5, new Uint8Array(5), true)]),
  );
  end.settle();
  assert.equal(end.closed, null);
  assert.deepEqual([reader.fins, reader.resets], [0, []]);
  assert.equal(end.session.channels.active, 0);
  end.slabs.assertAllHome();
});

test('a lane that is cut at any byte loses nothing that another lane repeats', () => {
  const payload = Uint8Array.from({ length: 60 }, (_, at) => at);
  const frames = concat([
    open(1),
    dataFrame(1, 0, payload.subarray(0, 25)),
    encodePing(FrameType.PING, new Uint8Array(8)),
    encodeWindow(1, 100_000, 0),
    dataFrame(1, 25, payload.subarray(25), true),
  ]);
  for (let cut = 0; cut <= frames.length; cut += 1) {
    const { end, readers } = exit(true);
    const other = end.addLane(2);
    end.receive(frames.subarray(0, cut));
    end.settle();
    end.dropLane(end.lane);
    end.receive(frames, other);
    end.settle();
    assert.equal(end.closed, null, end.closed?.detail);
    assert.deepEqual(readers[0]?.bytes, [...payload], `cut at ${cut}`);
    assert.equal(readers[0]?.fins, 1);
    end.slabs.assertAllHome();
  }
});

test('windows grow within their share of the session window, however channels end', () => {
  const { end, readers } = exit(true);
  const share = SESSION_WINDOW * 0.75;
  for (let id = 1; id <= 12; id += 1) {
    end.receive(open(id));
    end.settle();
    const channel = end.opened.at(-1)!;
    let offset = 0;
    while (offset < 400_000) {
      const piece = new Uint8Array(Math.min(16_384, channel.receive.window.limit - offset));
      end.receive(dataFrame(id, offset, piece));
      offset += piece.length;
      end.settle();
    }
    const { size } = channel.receive.window;
    assert.ok(size > INITIAL_WINDOW && size <= INITIAL_WINDOW + share, `${size}`);
    // Every other one is reset by its reader, inside of its last piece.
    const reader = readers.at(-1)!;
    reader.onChunk = (chunk) => {
      chunk.release();
      if (id % 2 === 0) end.session.reset(channel, 'RESET');
    };
    end.receive(dataFrame(id, offset, new Uint8Array(1), true));
    end.session.finish(channel, end.now);
    end.settle();
    end.receive(encodeLaneAck(1, end.lane.sentBytes, 0));
    end.settle();
    end.ports.get(end.lane)!.take();
  }
  assert.equal(end.closed, null);
  assert.equal(end.session.channels.active, 0);
});

test('a lane that takes nothing makes no timer that is always due', () => {
  const { end } = exit(true);
  end.ports.get(end.lane)!.writable = false;
  end.receive(concat([open(1), dataFrame(1, 0, new Uint8Array(100))]));
  end.settle();
  end.now += 100;
  end.session.handleTimeout(end.now);
  end.settle();
  assert.ok(end.session.nextDeadline(end.now) > end.now);
});
