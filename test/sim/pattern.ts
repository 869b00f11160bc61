import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { Random } from './random.ts';

/** A prime, so that bytes that went astray by any usual step do not look right. */
const PERIOD = 1_048_583;
/** The longest piece that is compared or handed out at a time. */
const LONGEST = 1024 * 1024;

/** The bytes of one direction of one channel: a function of the two and the offset. */
export class Pattern {
  readonly #phase: number;

  constructor(channel: number, direction: number) {
    this.#phase = (channel * 7_919 + direction * 104_729) % PERIOD;
  }

  /** At most 1 MiB, shared: not to be written to. */
  bytes(offset: number, length: number): Uint8Array {
    const at = this.#at(offset);
    return given.subarray(at, at + length);
  }

  /** @throws {AssertionError} unless these are the bytes at `offset` */
  verify(offset: number, bytes: Uint8Array): void {
    const at = this.#at(offset);
    const expected = kept.subarray(at, at + bytes.length);
    if (Buffer.compare(bytes, expected) === 0) return;
    const wrong = bytes.findIndex((byte, index) => byte !== expected[index]);
    assert.fail(
      `wrong bytes: offset ${offset + wrong} (byte ${wrong} of a chunk of ${bytes.length}) ` +
        `is ${bytes[wrong]}, not ${expected[wrong]}`,
    );
  }

  #at(offset: number): number {
    return (offset + this.#phase) % PERIOD;
  }
}

function makeTable(): Uint8Array {
  const table = new Uint8Array(PERIOD + LONGEST);
  const random = new Random(1);
  for (let at = 0; at < PERIOD; at += 1) table[at] = random.int(0, 255);
  table.copyWithin(PERIOD, 0, LONGEST);
  return table;
}

const given = makeTable();
/** A second copy: whoever writes into the first is found out. */
const kept = given.slice();
