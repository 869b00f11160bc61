import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { newKey } from '../../src/sys/key.ts';
import { channelBinding, secureClient, secureServer } from '../../src/sys/tls.ts';
import { TlsError, type TlsFailure } from '../../src/sys/tls-error.ts';

const options = { timeout: 2000 };
const impatient = { timeout: 100 };

const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((done) => server.close(done))));
});

test('both ends with one key get the same binding and carry bytes and half-close', async () => {
  const key = newKey();
  const [near, far] = await securePair(key, key);
  assert.equal(near.getProtocol(), 'TLSv1.3');
  assert.equal(channelBinding(near).length, 32);
  assert.deepEqual(channelBinding(near), channelBinding(far));

  near.end('question');
  assert.equal(await readAll(far), 'question');
  far.end('answer after the question has ended');
  assert.equal(await readAll(near), 'answer after the question has ended');
  await Promise.all([closing(near), closing(far)]);
});

test('each connection has a binding of its own', async () => {
  const key = newKey();
  const [one] = await securePair(key, key);
  const [other] = await securePair(key, key);
  assert.notDeepEqual(channelBinding(one), channelBinding(other));
});

test('sockets that come paused are served as well', async () => {
  const key = newKey();
  const { port, accepted } = await listen({ pauseOnConnect: true });
  const near = dial(port).pause();
  await once(near, 'connect');
  const [client, server] = await Promise.all([
    secureClient(near, key, options),
    secureServer(await accepted, key, options),
  ]);
  client.end('question');
  assert.equal(await readAll(server), 'question');
});

test('an entry may secure a socket that is still dialling', async () => {
  const key = newKey();
  const { port, accepted } = await listen();
  const client = secureClient(dial(port), key, options);
  const server = secureServer(await accepted, key, options);
  assert.deepEqual(channelBinding(await client), channelBinding(await server));
});

test('a dial that fails is an error of the handshake', async () => {
  const { port, server } = await listen();
  await new Promise((done) => server.close(done));
  await failsWith('unreachable', secureClient(dial(port), newKey(), options), /ECONNREFUSED/);
});

test('different keys: each end says so, and names the other', async () => {
  const [near, far] = await tcpPair();
  await Promise.all([
    failsWith('wrong-key', secureClient(near, newKey(), options), /^127\.0\.0\.1:\d+ has another/),
    failsWith('wrong-key', secureServer(far, newKey(), options), /^127\.0\.0\.1:\d+ has another/),
  ]);
  assert.ok(near.destroyed && far.destroyed);
});

test('an exit names what speaks to it without TLS', async (t) => {
  const cases: [string, TlsFailure, Uint8Array | string][] = [
    ['an entry that runs with --plain', 'plain-peer', 'PLAIN! and more'],
    ['less of it than a record begins with', 'reset', 'PLA'],
    ['HTTP', 'foreign-peer', 'GET / HTTP/1.1\r\n\r\n'],
    ['random bytes', 'plain-peer', new Uint8Array(300).map((_, i) => (i * 97 + 1) & 0xff)],
    [
      'a record header and then nonsense',
      'foreign-peer',
      Buffer.from('160301000501020304ff', 'hex'),
    ],
  ];
  for (const [what, code, bytes] of cases) {
    await t.test(what, async () => {
      const [near, far] = await tcpPair();
      near.end(bytes);
      await failsWith(code, secureServer(far, newKey(), options), /^127\.0\.0\.1:\d+ /);
    });
  }
});

test('an exit names a TLS peer without a key', async () => {
  const [near, far] = await tcpPair();
  const browser = tlsConnect({ socket: near, rejectUnauthorized: false });
  browser.on('error', () => {});
  await failsWith('foreign-peer', secureServer(far, newKey(), options), /no tcp-striper entry/);
});

test('an entry names what answers it without TLS', async (t) => {
  for (const bytes of ['SSH-2.0-OpenSSH_9.2\r\n', 'PLAIN! and more', '\0\0\0\0\0\0\0\0']) {
    await t.test(JSON.stringify(bytes), async () => {
      const [near, far] = await tcpPair();
      far.write(bytes);
      far.resume();
      await failsWith('plain-peer', secureClient(near, newKey(), options), /--plain/);
    });
  }
});

test('an entry trusts no TLS server without the key', async () => {
  const [near, far] = await tcpPair();
  const stranger = createTlsServer({ minVersion: 'TLSv1.3', pskCallback: () => null });
  stranger.emit('connection', far);
  await failsWith('foreign-peer', secureClient(near, newKey(), options), /no tcp-striper exit/);
});

test('a ClientHello cut at any byte ends at once when the peer ends, and is no crash', async () => {
  const hello = await captureClientHello();
  for (let length = 0; length < hello.length; length += length < 12 ? 1 : 41) {
    for (const end of ['FIN', 'RST'] as const) {
      const [near, far] = await tcpPair();
      const handshake = failsWith('reset', secureServer(far, newKey(), options), /ended/);
      if (end === 'FIN') near.end(hello.subarray(0, length));
      else near.write(hello.subarray(0, length), () => near.resetAndDestroy());
      await handshake;
    }
  }
});

test('a ClientHello that stops half-way runs into the deadline', async () => {
  const hello = await captureClientHello();
  for (const length of [0, 1, 5, hello.length - 1]) {
    const [near, far] = await tcpPair();
    near.write(hello.subarray(0, length));
    await failsWith('timeout', secureServer(far, newKey(), impatient), /within 100ms/);
    assert.ok(far.destroyed);
  }
});

test('a ClientHello that comes byte by byte is served', async () => {
  const key = newKey();
  const [near, inner] = await tcpPair();
  const [outer, far] = await tcpPair();
  inner.on('data', (chunk: Buffer) => {
    for (const byte of chunk) outer.write(Uint8Array.of(byte));
  });
  outer.pipe(inner);
  const [client] = await Promise.all([
    secureClient(near, key, options),
    secureServer(far, key, options),
  ]);
  assert.equal(client.getProtocol(), 'TLSv1.3');
});

test('an exit that never answers, ends or resets: a clear error at the entry', async () => {
  const silent = await tcpPair();
  await failsWith('timeout', secureClient(silent[0], newKey(), impatient), /within 100ms/);

  const ending = await tcpPair();
  ending[1].resume().end();
  await failsWith('reset', secureClient(ending[0], newKey(), options), /ended the connection/);

  const resetting = await tcpPair();
  resetting[1].once('data', () => resetting[1].resetAndDestroy());
  await failsWith('reset', secureClient(resetting[0], newKey(), options), /ended the connection/);
});

test('a socket that is already dead is refused at once', async () => {
  for (const secure of [secureClient, secureServer]) {
    const [near] = await tcpPair();
    near.destroy();
    await failsWith('reset', secure(near, newKey(), options), /./);
  }
});

test('an RST after the handshake is an error of the TLS socket, not of the process', async () => {
  const key = newKey();
  const [near, accepted] = await tcpPair();
  const [client, server] = await Promise.all([
    secureClient(near, key, options),
    secureServer(accepted, key, options),
  ]);
  // The exit speaks last in a handshake; its session ticket must be off its hands before the RST.
  server.write('.');
  await once(client, 'data');
  near.resetAndDestroy();
  await Promise.all([closing(client), closing(server)]);
  assert.equal((server.errored as NodeJS.ErrnoException | null)?.code, 'ECONNRESET');
});

test('neither a socket nor a timer is left after many failed handshakes', async () => {
  const before = socketsAndTimers();
  for (let round = 0; round < 20; round += 1) {
    const [near, far] = await tcpPair();
    const gone = Promise.all([closing(near), closing(far)]);
    await Promise.allSettled([
      secureClient(near, newKey(), options),
      secureServer(far, newKey(), options),
    ]);
    await gone;
  }
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(socketsAndTimers(), before);
});

function socketsAndTimers(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /TCPSocketWrap|Timeout/.test(name));
}

async function securePair(
  nearKey: Uint8Array,
  farKey: Uint8Array,
): Promise<[TLSSocket, TLSSocket]> {
  const [near, far] = await tcpPair();
  return Promise.all([secureClient(near, nearKey, options), secureServer(far, farKey, options)]);
}

async function tcpPair(): Promise<[Socket, Socket]> {
  const { port, accepted } = await listen();
  const near = dial(port);
  await once(near, 'connect');
  return [near, await accepted];
}

async function listen(
  how: { pauseOnConnect?: boolean } = {},
): Promise<{ port: number; accepted: Promise<Socket>; server: Server }> {
  const server = createServer({ allowHalfOpen: true, ...how });
  servers.push(server);
  const accepted = once(server, 'connection').then(([socket]: Socket[]) => keep(socket!));
  accepted.catch(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as { port: number }).port, accepted, server };
}

function dial(port: number): Socket {
  return keep(connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
}

/** For sockets that are abandoned in mid-handshake on purpose. */
function keep(socket: Socket): Socket {
  sockets.push(socket);
  socket.on('error', () => {});
  return socket;
}

async function failsWith(
  code: TlsFailure,
  handshake: Promise<TLSSocket>,
  message: RegExp,
): Promise<void> {
  const error = await handshake.then(
    () => assert.fail(`the handshake succeeded; expected ${code}`),
    (failure: unknown) => failure,
  );
  assert.ok(error instanceof TlsError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  assert.doesNotMatch(error.message, /\n/);
}

async function captureClientHello(): Promise<Buffer> {
  const [near, far] = await tcpPair();
  const captured = once(far, 'data');
  void secureClient(near, newKey(), options).catch(() => {});
  const [hello] = (await captured) as [Buffer];
  near.destroy();
  return hello;
}

async function readAll(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) text += String(chunk);
  return text;
}

function closing(socket: Socket): Promise<unknown> {
  return socket.closed ? Promise.resolve() : new Promise((done) => socket.once('close', done));
}
