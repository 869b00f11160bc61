import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk } from '../../src/core/chunk.ts';
import { HEADROOM } from '../../src/data/read-buffer.ts';
import type { StripedPipe } from '../../src/io/pipe-striped.ts';
import { deaf, TrunkPair } from './cost-world.ts';

const MESSAGE = 100;

/** Two channels of one lane that are open, and what their entry has sent. */
function twoChannels() {
  const sent: number[] = [];
  const pair = new TrunkPair(
    1,
    (pipe) => {
      pipe.attach(deaf);
      pipe.accept();
      pipe.resume();
    },
    ({ length }) => sent.push(length),
  );
  const pipes = [pair.open(), pair.open()];
  for (const pipe of pipes) pipe.attach(deaf);
  // Until all is told and acknowledged; the last turn of it says nothing.
  pair.run();

  /**
   * One turn, in which these say something each, of so many bytes.
   * @returns how often the lane was written to before its end, and at its end
   */
  function turn(
    speakers: readonly StripedPipe[],
    bytes = MESSAGE,
  ): { early: number; late: number } {
    sent.length = 0;
    for (const pipe of speakers) assert.ok(pipe.send(message(bytes)));
    const early = sent.length;
    pair.time.runUntil(pair.time.now());
    return { early, late: sent.length - early };
  }

  return { first: pipes[0]!, second: pipes[1]!, turn };
}

function message(bytes: number): Chunk {
  return new Chunk(new Uint8Array(HEADROOM + bytes).subarray(HEADROOM), null, HEADROOM);
}

test('a lone message leaves at once', () => {
  const { first, turn } = twoChannels();
  assert.deepEqual(turn([first]), { early: 1, late: 0 });
  assert.deepEqual(turn([first]), { early: 1, late: 0 });
});

test('of a turn with several messages, the first leaves at once and the rest at its end', () => {
  const { first, second, turn } = twoChannels();
  assert.deepEqual(turn([first, second, first]), { early: 1, late: 1 });
});

test('after such a turn, all leave at the end in one write, until a turn had one alone', () => {
  const { first, second, turn } = twoChannels();
  turn([first, second]);
  assert.deepEqual(turn([first, second, first]), { early: 0, late: 1 });
  assert.deepEqual(turn([second]), { early: 0, late: 1 });
  assert.deepEqual(turn([second]), { early: 1, late: 0 });
});

test('a large write does not wait for the end', () => {
  const { first, second, turn } = twoChannels();
  turn([first, second]);
  assert.ok(turn([first], 128 * 1024).early > 0);
});
