import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeOpen } from '../../src/protocol/frame.ts';
import { End } from '../fuzz/end.ts';
import { decodeNaively, type Told } from '../prop/naive-decoder.ts';
import { concat, dataFrame } from '../prop/wire.ts';

const open = encodeOpen(1, 65_536, new Uint8Array(0));

test('an acknowledgement that took another lane is repeated when that lane is lost', () => {
  const end = new End('exit', 2);
  const [own, other] = end.session.lanes;
  // The lane itself takes nothing for now, so what acknowledges it leaves on the other.
  end.ports.get(own!)!.writable = false;
  end.receive(concat([open, dataFrame(1, 0, new Uint8Array(9))]), own);
  end.settle();
  end.pass(10);
  const received = own!.receivedBytes;
  assert.deepEqual(acks(end.said()), [[1, received]]);
  end.ports.get(own!)!.writable = true;
  end.pass(100);
  assert.deepEqual(acks(end.said()), []);

  end.dropLane(other!);
  end.pass(10);
  assert.deepEqual(acks(end.said()), [[1, received]], 'the peer must not wait for ever');
});

test('the end of a session stands behind an acknowledgement of every lane, sent before or not', () => {
  const end = new End('exit', 2);
  const [one, two] = end.session.lanes;
  end.receive(concat([open, dataFrame(1, 0, new Uint8Array(9))]), one);
  end.settle();
  end.pass(10);
  end.said();
  end.receive(dataFrame(1, 9, new Uint8Array(99)), two);
  end.session.close('SHUTDOWN', end.now);
  const told = [...end.ports.values()].map((port) => decodeNaively(port.take()));
  const last = told.find((frames) => frames.some((frame) => 'type' in frame && frame.type === 7));
  assert.deepEqual(acks(last!.slice(-3)), [
    [1, one!.receivedBytes],
    [2, two!.receivedBytes],
  ]);
  assert.deepEqual(last!.at(-1), { kind: 'frame', type: 7, id: 0, body: '0020' });
});

/** Lanes and byte counts of the acknowledgements. */
function acks(said: readonly Told[]): [number, number][] {
  return said.flatMap((told): [number, number][] =>
    told.kind === 'frame' && told.type === 3
      ? [[told.id, Number.parseInt(told.body.slice(0, 12), 16)]]
      : [],
  );
}
