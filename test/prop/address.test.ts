import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Address,
  formatAddress,
  parseListenAddress,
  parseTargetAddress,
} from '../../src/core/address.ts';
import { UsageError } from '../../src/core/usage-error.ts';

const ports = fc.integer({ min: 1, max: 65_535 });
const hosts = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((host) => host !== '::'),
  fc.domain(),
  fc.constant('localhost'),
);
const paths = fc.string({ minLength: 1 }).filter((path) => !path.includes('\0'));
const targets: fc.Arbitrary<Address> = fc.oneof(
  fc.tuple(hosts, ports).map(([host, port]) => ({ kind: 'tcp', host, port }) as const),
  paths.map((path) => ({ kind: 'unix', path }) as const),
);

test('what is printed of an address can be read back', () => {
  fc.assert(
    fc.property(targets, (address) => {
      assert.deepEqual(parseTargetAddress(formatAddress(address)), address);
      assert.deepEqual(parseListenAddress(formatAddress(address), null), address);
    }),
  );
});

test('every IPv6 address that Node knows is taken in brackets, and none without', () => {
  fc.assert(
    fc.property(fc.ipV6(), ports, (host, port) => {
      assert.ok(isIPv6(host));
      assert.equal(
        formatAddress(parseListenAddress(`[${host}]:${port}`, null)),
        `[${host}]:${port}`,
      );
      assert.throws(() => parseListenAddress(`${host}:${port}`, null), UsageError);
    }),
  );
});

test('any text is an address or a UsageError of one line', () => {
  const parts = fc.constantFrom(
    '[',
    ']',
    ':',
    '::',
    '1',
    '65536',
    'a',
    '.',
    '%',
    'unix:',
    ' ',
    '-',
    '\n',
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(parts).map((some) => some.join('')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      for (const parse of [parseTargetAddress, (t: string) => parseListenAddress(t, '127.0.0.1')]) {
        try {
          const address = parse(text);
          assert.deepEqual(parse(formatAddress(address)), address);
        } catch (error) {
          assert.ok(error instanceof UsageError, String(error));
        }
      }
    }),
    { numRuns: 2000 },
  );
});
