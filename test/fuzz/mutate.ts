import { concat } from '../prop/wire.ts';
import type { Random } from '../sim/random.ts';

/** Random bytes, of which many are small numbers, ends of ranges or frame types. */
export function noise(random: Random, length: number): Uint8Array {
  const telling = [0, 1, 2, 3, 0x10, 0x13, 0x14, 0x15, 0x7f, 0x80, 0xff];
  return Uint8Array.from({ length }, () =>
    random.chance(0.5) ? random.pick(telling) : random.int(0, 255),
  );
}

/** The bytes with one to four faults: flipped, changed, cut, doubled, inserted, moved. */
export function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  let result: Uint8Array = bytes.slice();
  for (let faults = random.int(1, 4); faults > 0; faults -= 1) {
    const at = random.int(0, result.length);
    const to = Math.min(result.length, at + random.int(0, 40));
    const before = result.subarray(0, at);
    const piece = result.subarray(at, to);
    const after = result.subarray(to);
    switch (random.int(0, 5)) {
      case 0:
        if (at < result.length) result[at]! ^= 1 << random.int(0, 7);
        break;
      case 1:
        result.set(noise(random, piece.length), at);
        break;
      case 2:
        result = concat([before, after]);
        break;
      case 3:
        result = concat([before, piece, piece, after]);
        break;
      case 4:
        result = concat([before, noise(random, random.int(1, 20)), piece, after]);
        break;
      case 5:
        result = concat([before, after, piece]);
        break;
    }
  }
  return result;
}

/** The bytes in pieces of random sizes, often tiny ones. */
export function shred(random: Random, bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = random.chance(0.3) ? random.int(1, 8) : random.int(1, 20_000);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}
