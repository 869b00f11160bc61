import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, parseListenAddress, parseTargetAddress } from '../../src/core/address.ts';
import { UsageError } from '../../src/core/usage-error.ts';

const tcp = (host: string | null, port: number) => ({ kind: 'tcp', host, port });

test('a listener is named by port, host and port, or path', () => {
  const loopback = '127.0.0.1';
  assert.deepEqual(parseListenAddress('5432', loopback), tcp(loopback, 5432));
  assert.deepEqual(parseListenAddress(':5432', loopback), tcp(loopback, 5432));
  assert.deepEqual(parseListenAddress('0', loopback), tcp(loopback, 0));
  assert.deepEqual(parseListenAddress('7000', null), tcp(null, 7000));
  assert.deepEqual(parseListenAddress('0.0.0.0:7000', loopback), tcp('0.0.0.0', 7000));
  assert.deepEqual(parseListenAddress('db.internal:1', loopback), tcp('db.internal', 1));
  assert.deepEqual(parseListenAddress('[::1]:7000', loopback), tcp('::1', 7000));
  assert.deepEqual(parseListenAddress('[fe80::1%eth0]:7000', null), tcp('fe80::1%eth0', 7000));
  assert.deepEqual(parseListenAddress('unix:/run/a:1.sock', null), {
    kind: 'unix',
    path: '/run/a:1.sock',
  });
});

test('[::] is every interface of both families', () => {
  assert.deepEqual(parseListenAddress('[::]:7000', '127.0.0.1'), tcp(null, 7000));
  assert.equal(formatAddress({ kind: 'tcp', host: null, port: 7000 }), '[::]:7000');
});

test('a target needs a host, and a port that can be dialled', () => {
  assert.deepEqual(parseTargetAddress('localhost:22'), tcp('localhost', 22));
  assert.deepEqual(parseTargetAddress('unix:./app.sock'), { kind: 'unix', path: './app.sock' });
  assert.throws(() => parseTargetAddress('22'), usageError("'22' names no host.*localhost:22"));
  assert.throws(() => parseTargetAddress(':22'), usageError('names no host'));
  assert.throws(() => parseTargetAddress('localhost:0'), usageError('port 0'));
});

test('what cannot be an address is refused in words that help', () => {
  const cases: [string, string][] = [
    ['', 'has no port; write it as in localhost:7000'],
    ['localhost', 'has no port; write it as in localhost:7000'],
    ['[::1]', 'has no port'],
    ['localhost:', "'' is no port"],
    ['localhost:http', "'http' is no port; a port is 0 to 65535"],
    ['localhost:65536', "'65536' is no port"],
    ['65536', "'65536' is no port"],
    ['1234567890123456789', 'is no port'],
    ['localhost:-1', "'-1' is no port"],
    ['::1:7000', 'brackets, as in \\[::1\\]:7000'],
    ['[localhost]:7000', "'localhost' is no IPv6 address"],
    ['[]:7000', "'' is no IPv6 address"],
    ['a b:7000', "'a b' is no host name"],
    ['http://localhost:80', 'brackets|no host name'],
    ['unix:', 'names no path'],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseListenAddress(text, null), usageError(message), text);
  }
});

function usageError(message: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof UsageError, String(error));
    assert.match(error.message, new RegExp(message));
    return true;
  };
}
