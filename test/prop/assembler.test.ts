import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Assembler } from '../../src/data/assembler.ts';
import { Slabs } from './slabs.ts';

const LENGTH = 200;

/** The twin: one array of bytes, a mark on each that has come, and a count of those delivered. */
class Twin {
  readonly bytes = new Uint8Array(LENGTH);
  readonly has = new Array<boolean>(LENGTH).fill(false);
  next = 0;
  duplicates = 0;

  insert(offset: number, piece: Uint8Array): void {
    piece.forEach((byte, index) => {
      if (this.has[offset + index]) this.duplicates += 1;
      else {
        this.has[offset + index] = true;
        this.bytes[offset + index] = byte;
      }
    });
  }

  get held(): number {
    return this.has.filter((mark, at) => mark && at >= this.next).length;
  }

  /** Runs of held bytes: the least number of fragments. */
  get runs(): number {
    return this.has.filter(
      (mark, at) => mark && at >= this.next && (at === this.next || !this.has[at - 1]),
    ).length;
  }

  get end(): number {
    return Math.max(this.next, this.has.lastIndexOf(true) + 1);
  }
}

/** Each insertion has bytes of its own, so that it shows which copy of a byte was kept. */
const insertion = fc
  .tuple(fc.nat(LENGTH - 1), fc.integer({ min: 0, max: 40 }), fc.nat(255))
  .map(([offset, length, tag]) => ({
    kind: 'insert' as const,
    offset,
    piece: new Uint8Array(Math.min(length, LENGTH - offset)).fill(tag),
  }));
const step = fc.oneof(
  { weight: 6, arbitrary: insertion },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('shift' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('compact' as const),
      most: fc.integer({ min: 1, max: 60 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('bypass' as const),
      length: fc.integer({ min: 1, max: 20 }),
    }),
  },
);

test('the assembler is one array with a mark per byte, and slabs come home once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const slabs = new Slabs();
      const assembler = new Assembler();
      const twin = new Twin();
      for (const action of steps) {
        if (action.kind === 'insert') {
          assembler.insert(action.offset, slabs.chunk(action.piece));
          twin.insert(action.offset, action.piece);
        } else if (action.kind === 'shift') {
          takeOne(assembler, twin);
        } else if (action.kind === 'compact') {
          assembler.compact(action.most);
          // Of two neighbours at least one is more than half of the most.
          assert.ok(assembler.fragments <= twin.runs + (2 * twin.held) / action.most);
        } else if (assembler.fragments === 0 && twin.next + action.length <= LENGTH) {
          assembler.bypass(action.length);
          twin.has.fill(true, twin.next, twin.next + action.length);
          twin.next += action.length;
        }
        compare(assembler, twin);
      }
      while (takeOne(assembler, twin)) compare(assembler, twin);
      assembler.clear();
      assert.equal(assembler.heldBytes, 0);
      slabs.assertAllHome();
    }),
    { numRuns: 300 },
  );
});

test('pieces in any order, doubled and overlapping, come out as they were cut', () => {
  const cut = fc.tuple(fc.nat(LENGTH - 1), fc.integer({ min: 1, max: 30 }));
  fc.assert(
    fc.property(
      fc.array(cut, { maxLength: 60, size: 'max' }),
      fc.infiniteStream(fc.nat()),
      (cuts, random) => {
        const source = Uint8Array.from({ length: LENGTH }, (_, at) => (at * 167 + 13) & 0xff);
        const whole = Array.from({ length: 20 }, (_, at): [number, number] => [at * 10, 10]);
        const ranges = shuffled([...cuts, ...whole], random);
        const slabs = new Slabs();
        const assembler = new Assembler();
        const received: number[] = [];
        for (const [offset, length] of ranges) {
          assembler.insert(offset, slabs.chunk(source.subarray(offset, offset + length)));
          for (let chunk = assembler.shift(); chunk !== null; chunk = assembler.shift()) {
            received.push(...chunk.bytes);
            chunk.release();
          }
        }
        assert.deepEqual(Uint8Array.from(received), source);
        slabs.assertAllHome();
      },
    ),
    { numRuns: 200 },
  );
});

/** Takes the next chunk from both; false if there is a hole. */
function takeOne(assembler: Assembler, twin: Twin): boolean {
  const isReady = twin.has[twin.next] === true;
  assert.equal(assembler.isReady, isReady);
  const chunk = assembler.shift();
  assert.equal(chunk !== null, isReady);
  if (chunk === null) return false;
  assert.ok(chunk.length > 0);
  assert.deepEqual(
    Array.from(chunk.bytes),
    Array.from(twin.bytes.subarray(twin.next, twin.next + chunk.length)),
  );
  assert.ok(twin.has.slice(twin.next, twin.next + chunk.length).every((mark) => mark));
  twin.next += chunk.length;
  chunk.release();
  return true;
}

function compare(assembler: Assembler, twin: Twin): void {
  assert.equal(assembler.next, twin.next);
  assert.equal(assembler.heldBytes, twin.held);
  assert.equal(assembler.duplicateBytes, twin.duplicates);
  assert.equal(assembler.end, twin.end);
  assert.ok(assembler.fragments >= twin.runs);
  assert.ok(assembler.fragments <= twin.held);
}

function shuffled<T>(items: readonly T[], random: Iterator<number>): T[] {
  const left = [...items];
  return items.map(() => left.splice((random.next().value as number) % left.length, 1)[0]!);
}
