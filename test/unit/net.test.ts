import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Address } from '../../src/core/address.ts';
import { dial, dialInsistently, type Listener, listen, peerOf } from '../../src/sys/net.ts';
import { DialError, ListenError } from '../../src/sys/net-error.ts';

const LIMIT = { timeout: 10_000 };
const folder = mkdtempSync(join(tmpdir(), 'tcp-striper-net-'));
after(() => rmSync(folder, { recursive: true }));

const anyPort: Address = { kind: 'tcp', host: '127.0.0.1', port: 0 };
const isWindows = process.platform === 'win32';

test('listen and dial: paused, half-open sockets', LIMIT, async () => {
  const accepted: Socket[] = [];
  const listener = await listen(anyPort, (socket) => accepted.push(socket));
  const dialled = await dial(boundTo(listener), { timeout: 5000 });
  dialled.write('hello');
  await until(() => accepted.length === 1);
  const [socket] = accepted;
  assert.ok(socket !== undefined);
  assert.match(listener.addresses[0] ?? '', /^127\.0\.0\.1:\d+$/);
  assert.equal(peerOf(socket), `127.0.0.1:${dialled.localPort}`);
  for (const end of [socket, dialled]) {
    assert.equal(end.allowHalfOpen, true);
    assert.equal(end.isPaused(), true);
  }
  socket.destroy();
  dialled.destroy();
  await listener.close();
  await listener.close();
});

test(
  'an insistent dial ends with the first answer: a connection, a refusal, or its caller’s word',
  LIMIT,
  async () => {
    let accepted = 0;
    const listener = await listen(anyPort, (socket) => {
      accepted += 1;
      socket.destroy();
    });
    const options = { timeout: 5_000, interval: 20 };
    const socket = await dialInsistently(boundTo(listener), options);
    await once(socket.resume(), 'end');
    socket.destroy();
    assert.equal(accepted, 1);
    const address = boundTo(listener);
    await listener.close();

    const isRefused = (error: unknown) =>
      error instanceof DialError && error.code === 'ECONNREFUSED';
    await assert.rejects(dialInsistently(address, options), isRefused);

    const isAborted = (error: unknown) => error instanceof DialError && error.code === 'ABORT_ERR';
    const signal = AbortSignal.abort();
    await assert.rejects(dialInsistently(address, { ...options, signal }), isAborted);
  },
);

test('every interface is IPv4 and, where there is one, IPv6', LIMIT, async () => {
  const listener = await listen({ kind: 'tcp', host: null, port: 0 }, (socket) => socket.destroy());
  const { port } = boundTo(listener) as { port: number };
  const hosts = hasIpv6() ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
  for (const host of hosts) {
    const socket = await dial({ kind: 'tcp', host, port }, { timeout: 5000 });
    socket.destroy();
  }
  assert.match(listener.addresses[0] ?? '', hasIpv6() ? /^\[::\]:\d+$/ : /^0\.0\.0\.0:\d+$/);
  await listener.close();
});

test('a port in use is an error that says so', LIMIT, async () => {
  const listener = await listen(anyPort, () => {});
  await assert.rejects(
    listen(boundTo(listener), () => {}),
    (error) => {
      assert.ok(error instanceof ListenError);
      assert.equal(error.code, 'EADDRINUSE');
      assert.match(
        error.message,
        /^cannot listen on 127\.0\.0\.1:\d+: the port is in use; .*another port$/,
      );
      return true;
    },
  );
  await listener.close();
});

test('an address of another machine cannot be bound', LIMIT, async () => {
  const foreign: Address = { kind: 'tcp', host: '192.0.2.1', port: 0 };
  await assert.rejects(
    listen(foreign, () => {}),
    { name: 'ListenError', code: 'EADDRNOTAVAIL' },
  );
});

test('a unix socket: bound, dialled, in use, and removed at the end', {
  ...LIMIT,
  skip: isWindows,
}, async () => {
  const address: Address = { kind: 'unix', path: join(folder, 'one') };
  const listener = await listen(address, (socket) => socket.resume().end('hi'));
  assert.deepEqual(listener.addresses, [`unix:${address.path}`]);
  const socket = await dial(address, { timeout: 5000 });
  assert.equal(peerOf(socket), 'unnamed');
  socket.on('data', (bytes) => assert.equal(bytes.toString(), 'hi'));
  socket.resume();
  await once(socket, 'end');
  socket.end();
  await assert.rejects(
    listen(address, () => {}),
    /the path is in use/,
  );
  assert.ok(existsSync(address.path), 'the file of a living listener stays');
  await listener.close();
  assert.equal(existsSync(address.path), false);
});

test('a socket file that nobody answers on is replaced, another file is not', {
  ...LIMIT,
  skip: isWindows,
}, async () => {
  const address: Address = { kind: 'unix', path: join(folder, 'stale') };
  // A process that is killed leaves its socket file behind.
  const script = `require('net').createServer().listen(${JSON.stringify(address.path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert.ok(existsSync(address.path));
  const listener = await listen(address, (socket) => socket.destroy());
  await listener.close();

  const file: Address = { kind: 'unix', path: join(folder, 'file') };
  writeFileSync(file.path, 'precious');
  await assert.rejects(
    listen(file, () => {}),
    { name: 'ListenError', code: 'EADDRINUSE' },
  );
  assert.ok(existsSync(file.path));
});

test('a dial that fails says where and why in one line', LIMIT, async () => {
  const listener = await listen(anyPort, () => {});
  const closed = boundTo(listener);
  await listener.close();
  await assertDialFails(
    closed,
    'refused',
    /^cannot connect to 127\.0\.0\.1:\d+: connection refused/,
  );
  await assertDialFails(
    { kind: 'tcp', host: 'no-such-host.invalid', port: 1 },
    'dns',
    /^cannot connect to no-such-host\.invalid:1: the (host name|name server) does not/,
  );
  if (!isWindows) {
    const path = join(folder, 'nobody');
    await assertDialFails(
      { kind: 'unix', path },
      'refused',
      /^cannot connect to unix:.*no such socket/,
    );
  }
});

test('a dial gives up in time', LIMIT, async () => {
  // An address for documentation: nobody answers there.
  const address: Address = { kind: 'tcp', host: '192.0.2.1', port: 9 };
  const began = performance.now();
  const error = await dial(address, { timeout: 50 }).catch((cause: unknown) => cause);
  assert.ok(error instanceof DialError);
  // Where there is no route to the test network, that is said at once.
  assert.ok(['timeout', 'unreachable', 'refused'].includes(error.kind), error.message);
  if (error.kind === 'timeout') assert.ok(performance.now() - began >= 49);
});

test('a dial can be aborted, before and during', LIMIT, async () => {
  const listener = await listen(anyPort, (socket) => socket.destroy());
  const before = AbortSignal.abort();
  await assert.rejects(dial(boundTo(listener), { timeout: 1000, signal: before }), {
    kind: 'aborted',
  });
  const during = new AbortController();
  const dialling = dial(boundTo(listener), { timeout: 1000, signal: during.signal });
  during.abort();
  await assert.rejects(dialling, { kind: 'aborted' });
  await listener.close();
});

test('a dial leaves from the local address that was asked for', {
  ...LIMIT,
  skip: process.platform !== 'linux',
}, async () => {
  const peers: string[] = [];
  const listener = await listen(anyPort, (socket) => {
    peers.push(peerOf(socket));
    socket.destroy();
  });
  const socket = await dial(boundTo(listener), { timeout: 5000, localAddress: '127.0.0.9' });
  await until(() => peers.length === 1);
  assert.match(peers[0] ?? '', /^127\.0\.0\.9:/);
  socket.destroy();
  await listener.close();
  await assertDialFails(boundTo(listener), 'failed', /local address/, '192.0.2.1');
});

async function assertDialFails(
  address: Address,
  kind: DialError['kind'],
  message: RegExp,
  localAddress?: string,
): Promise<void> {
  const options = { timeout: 5000, ...(localAddress === undefined ? {} : { localAddress }) };
  await assert.rejects(dial(address, options), (error) => {
    assert.ok(error instanceof DialError);
    assert.match(error.message, message);
    assert.equal(error.kind, kind);
    assert.ok(!error.message.includes('\n'));
    return true;
  });
}

function boundTo(listener: Listener): Address {
  const text = listener.addresses[0] ?? '';
  const at = text.lastIndexOf(':');
  return { kind: 'tcp', host: text.slice(0, at), port: Number(text.slice(at + 1)) };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((list) =>
    list?.some(({ address }) => address === '::1'),
  );
}
