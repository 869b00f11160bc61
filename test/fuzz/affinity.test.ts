import assert from 'node:assert/strict';
import { affinityDigits, affinityOf, MAX_HEAD_BYTES } from '../../src/protocol/affinity.ts';
import { plainGreeting } from '../../src/protocol/handshake.ts';
import type { Random } from '../sim/random.ts';
import { fuzz } from './fuzz.ts';
import { mutate, noise } from './mutate.ts';

fuzz('whatever comes first: an affinity, more or none, known once and for all', (random) => {
  const bytes = opening(random);
  let known: ReturnType<typeof affinityOf> = 'more';
  for (let length = 0; length <= bytes.length; length += random.int(1, 40)) {
    const found = affinityOf(bytes.subarray(0, length));
    if (known !== 'more') assert.equal(found, known, `after ${length} bytes`);
    known = found;
    if (typeof found === 'number') {
      assert.ok(Number.isInteger(found) && found >= 0 && found <= 0xffff_ffff);
    }
    if (length >= MAX_HEAD_BYTES) assert.notEqual(found, 'more');
  }
});

fuzz('an honest ClientHello shows its affinity, whatever else it holds', (random) => {
  const affinity = random.int(0, 0xffff_ffff);
  assert.equal(affinityOf(clientHello(random, affinity)), affinity);
});

function opening(random: Random): Uint8Array {
  const affinity = random.int(0, 0xffff_ffff);
  switch (random.int(0, 3)) {
    case 0:
      return noise(random, random.int(0, 5_000));
    case 1:
      return mutate(random, plainGreeting(affinity));
    case 2:
      return Uint8Array.of(22, ...noise(random, random.int(0, 5_000)));
    default:
      return mutate(random, clientHello(random, affinity));
  }
}

/** As in RFC 8446, 4.1.2, with everything that may vary. */
function clientHello(random: Random, affinity: number): Uint8Array {
  const digits = Uint8Array.from(affinityDigits(affinity), (digit) => digit.charCodeAt(0));
  const identity = [...noise(random, random.int(0, 60)), ...digits];
  const others = Array.from({ length: random.int(0, 5) }, () =>
    // Any type but 41.
    [0, random.int(42, 60), ...vector(2, noise(random, random.int(0, 200)))],
  );
  const psk = [0, 41, ...vector(2, vector(2, [...vector(2, identity), ...noise(random, 4)]))];
  const body = [
    ...[3, 3, ...noise(random, 32), ...vector(1, noise(random, random.int(0, 32)))],
    ...[...vector(2, noise(random, 2 * random.int(1, 20))), ...vector(1, [0])],
    ...vector(2, [...others.flat(), ...psk]),
  ];
  return Uint8Array.from([22, 3, 1, ...vector(2, [1, ...vector(3, body)])]);
}

/** The bytes behind their length, in so many bytes. */
function vector(lengthBytes: number, bytes: Iterable<number>): number[] {
  const all = [...bytes];
  const length = Array.from(
    { length: lengthBytes },
    (_, at) => (all.length >>> (8 * (lengthBytes - 1 - at))) & 0xff,
  );
  return [...length, ...all];
}
