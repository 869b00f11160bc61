import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import { AdminUnreachable, askAdmin } from '../../src/app/admin/client.ts';
import {
  type AdminConfig,
  checkExposure,
  parseAdmin,
  type TcpAddress,
} from '../../src/app/admin/config.ts';
import type { AdminSubject } from '../../src/app/admin/routes.ts';
import { type AdminServer, startAdmin } from '../../src/app/admin/server.ts';
import type { RelayStatus } from '../../src/app/status.ts';
import { silentLogger } from '../../src/core/log.ts';
import { UsageError } from '../../src/core/usage-error.ts';
import { ListenError } from '../../src/sys/net-error.ts';

const started: AdminServer[] = [];
afterEach(() => Promise.all(started.splice(0).map((server) => server.close())));

test('healthz, readyz and status answer in JSON', async () => {
  const subject = fakeSubject();
  const { port } = await start(subject);
  assert.deepEqual(await ask(port, 'GET', '/healthz'), [200, { alive: true }]);
  assert.deepEqual(await ask(port, 'GET', '/readyz'), [200, { ready: true }]);
  assert.deepEqual(await ask(port, 'GET', '/api/v1/status?x=1'), [200, relayStatus]);

  subject.unready = 'no lane is up';
  assert.deepEqual(await ask(port, 'GET', '/readyz'), [
    503,
    { ready: false, reason: 'no lane is up' },
  ]);
});

test('answers are not cached and not guessed at', async () => {
  const { port } = await start(fakeSubject());
  const { headers } = await exchange(port, 'GET', '/healthz');
  assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['x-content-type-options'], 'nosniff');
});

test('lanes are added, drained and removed by POST', async () => {
  const orders: string[] = [];
  const lanes = {
    add: async () => ({ id: 9 }),
    drain: (id: number) => void orders.push(`drain ${id}`),
    remove: (id: number) => void orders.push(`remove ${id}`),
  };
  const { port } = await start({ ...fakeSubject(), lanes });
  assert.deepEqual(await ask(port, 'POST', '/api/v1/lanes/add'), [200, { id: 9 }]);
  assert.deepEqual(await ask(port, 'POST', '/api/v1/lanes/3/drain'), [200, { id: 3 }]);
  assert.deepEqual(await ask(port, 'POST', '/api/v1/lanes/4/remove'), [200, { id: 4 }]);
  assert.deepEqual(orders, ['drain 3', 'remove 4']);
});

test('an order that cannot be carried out says why', async () => {
  const refuse = (): never => {
    throw new Error('there is no lane 7');
  };
  const lanes = { add: async () => refuse(), drain: refuse, remove: refuse };
  const { port } = await start({ ...fakeSubject(), lanes });
  for (const path of ['/api/v1/lanes/add', '/api/v1/lanes/7/drain', '/api/v1/lanes/7/remove']) {
    assert.deepEqual(await ask(port, 'POST', path), [409, { error: 'there is no lane 7' }], path);
  }
  const relay = await start(fakeSubject());
  const [status, body] = await ask(relay.port, 'POST', '/api/v1/lanes/add');
  assert.equal(status, 409);
  assert.match((body as { error: string }).error, /business of an entry/);
});

test('a GET changes nothing: other methods are refused with what is allowed', async () => {
  const { port } = await start(fakeSubject());
  const cases: [string, string, string][] = [
    ['POST', '/healthz', 'GET, HEAD'],
    ['DELETE', '/api/v1/status', 'GET, HEAD'],
    ['GET', '/api/v1/lanes/add', 'POST'],
    ['HEAD', '/api/v1/lanes/1/drain', 'POST'],
    ['OPTIONS', '/api/v1/lanes/1/remove', 'POST'],
  ];
  for (const [method, path, allow] of cases) {
    const { status, headers } = await exchange(port, method, path);
    assert.equal(status, 405, `${method} ${path}`);
    assert.equal(headers.allow, allow, `${method} ${path}`);
  }
});

test('what is not there is 404, in JSON', async () => {
  const { port } = await start(fakeSubject());
  for (const path of ['/', '/api/v1/status/', '/api/v1/lanes/x/drain', '//healthz', '/%00', '*']) {
    const [status, body] = await ask(port, 'GET', path);
    assert.equal(status, 404, path);
    assert.equal(typeof (body as { error: unknown }).error, 'string', path);
  }
});

test('HEAD is GET without the body', async () => {
  const { port } = await start(fakeSubject());
  const { status, text, headers } = await exchange(port, 'HEAD', '/healthz');
  assert.deepEqual([status, text], [200, '']);
  assert.equal(headers['content-length'], String('{"alive":true}\n'.length));
});

test('a subject that throws is 500, and the server goes on', async () => {
  const subject = fakeSubject();
  const { port } = await start({
    ...subject,
    status: () => {
      throw new Error('a bug');
    },
  });
  assert.equal((await ask(port, 'GET', '/api/v1/status'))[0], 500);
  assert.equal((await ask(port, 'GET', '/healthz'))[0], 200);
});

test('a name made to point here (DNS rebinding) is refused', async () => {
  const { port } = await start(fakeSubject());
  const good = ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]', '127.1.2.3', `127.0.0.1:${port}`];
  const bad = [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1.evil.example',
    '192.0.2.1',
    '[::2]',
  ];
  for (const host of good)
    assert.equal((await ask(port, 'GET', '/healthz', { host }))[0], 200, host);
  for (const host of bad)
    assert.equal((await ask(port, 'GET', '/healthz', { host }))[0], 403, host);
});

test('a page of another site cannot post; programs and our own pages can', async () => {
  const lanes = { add: async () => ({ id: 1 }), drain: () => {}, remove: () => {} };
  const { port } = await start({ ...fakeSubject(), lanes });
  const own = `http://127.0.0.1:${port}`;
  for (const [origin, expected] of [
    [own, 200],
    ['https://evil.example', 403],
    [`http://127.0.0.1:${port + 1}`, 403],
    ['null', 403],
  ] as const) {
    const answer = await ask(port, 'POST', '/api/v1/lanes/add', { origin });
    assert.equal(answer[0], expected, origin);
  }
});

test('with a token only its holder learns anything, beyond that the process lives', async () => {
  const token = 'a-token-of-enough-length';
  const { port } = await start(fakeSubject(), { token });
  const as = (authorization: string) => ask(port, 'GET', '/api/v1/status', { authorization });
  assert.equal((await as(`Bearer ${token}`))[0], 200);
  assert.equal((await as(`bearer  ${token}`))[0], 200);
  for (const wrong of ['', 'Bearer', 'Bearer x', `Basic ${token}`, `Bearer ${token}x`, token]) {
    assert.equal((await as(wrong))[0], 401, wrong);
  }
  assert.equal((await ask(port, 'GET', '/readyz'))[0], 401);
  assert.equal((await ask(port, 'POST', '/api/v1/lanes/add'))[0], 401);
  assert.equal((await ask(port, 'GET', '/healthz', { host: 'far.example' }))[0], 200);
  const named = { authorization: `Bearer ${token}`, host: 'far.example' };
  assert.equal((await ask(port, 'GET', '/api/v1/status', named))[0], 200);
});

test('an address that other machines reach is refused without a token', () => {
  const config = (text: string, token: string | null): AdminConfig => ({
    listen: parseAdmin(text) as TcpAddress,
    token,
    required: true,
  });
  for (const text of ['9478', 'localhost:1', '127.0.0.1:1', '[::1]:1']) {
    assert.doesNotThrow(() => checkExposure(config(text, null)), text);
  }
  for (const text of ['0.0.0.0:1', '[::]:1', '192.0.2.1:1', 'admin.example:1']) {
    assert.throws(() => checkExposure(config(text, null)), UsageError, text);
    assert.doesNotThrow(() => checkExposure(config(text, 'x'.repeat(16))), text);
  }
  assert.equal(parseAdmin('off'), 'off');
  assert.throws(() => parseAdmin('unix:/x'), UsageError);
});

test('a busy port: the next four are tried, then it is an error', async () => {
  const first = await start(fakeSubject());
  const listen = { kind: 'tcp', host: '127.0.0.1', port: first.port } as const;
  const config = { listen, token: null, required: true };
  const ports: number[] = [];
  try {
    for (;;) {
      const server = await startAdmin(config, fakeSubject(), silentLogger);
      started.push(server);
      ports.push(Number(new URL(server.url).port));
      assert.ok(ports.length <= 4, 'four more at most');
    }
  } catch (error) {
    assert.ok(error instanceof ListenError, String(error));
    assert.match(error.message, new RegExp(`127.0.0.1:${first.port}`));
  }
  // Others on this machine may hold some of them.
  assert.ok(ports.every((port, n) => port > first.port && port > (ports[n - 1] ?? 0)));
  assert.ok(ports.every((port) => port <= first.port + 4));
});

test('close() ends connections that are kept alive, idle or in mid-request', async () => {
  const { port, server } = await start(fakeSubject());
  const agent = new Agent({ keepAlive: true });
  await exchange(port, 'GET', '/healthz', {}, agent);
  const slow = connect(port, '127.0.0.1');
  slow.on('error', () => {});
  await once(slow, 'connect');
  slow.write('GET /healthz HTTP/1.1\r\nHost:');
  const gone = new Promise((done) => slow.once('close', done));
  await server.close();
  started.pop();
  slow.resume();
  await gone;
  agent.destroy();
});

test('garbage is answered or cut off, and the server goes on', async () => {
  const { port } = await start(fakeSubject());
  const pieces = fc.constantFrom(
    'GET ',
    'POST /api/v1/lanes/add HTTP/1.1\r\n',
    '/healthz',
    ' HTTP/1.1\r\n',
    'Host: 127.0.0.1\r\n',
    'Content-Length: 99999999\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Upgrade: x\r\nConnection: upgrade\r\n',
    'Expect: 100-continue\r\n',
    'CONNECT x:1 HTTP/1.1\r\n',
    '\r\n',
    'ffffffffffffffff\r\n',
    '\0\xff\x16\x03\x01',
    `X: ${'x'.repeat(10_000)}\r\n`,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 8 }), fc.boolean(), async (some, cut) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      const written = new Promise((done) =>
        socket.write(Buffer.from(some.join(''), 'latin1'), done),
      );
      await written;
      if (cut) socket.resetAndDestroy();
      else socket.end();
      socket.resume();
      await new Promise((done) => (socket.closed ? done(null) : socket.once('close', done)));
    }),
    { numRuns: 100 },
  );
  assert.equal((await ask(port, 'GET', '/healthz'))[0], 200);
});

test('the client asks, and gives the answer', async () => {
  const { port } = await start(fakeSubject());
  const answer = await askAdmin(local(port), 'GET', '/api/v1/status', null, 5_000);
  assert.deepEqual(answer, { status: 200, body: relayStatus });
});

test('the client says in one line why there is no answer', async (t) => {
  const cases: [string, ((socket: Socket) => void) | null, RegExp][] = [
    ['nobody there', null, /refuses the connection/],
    ['silence', () => {}, /does not answer in time/],
    ['half an answer', (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n{'), /answer in time/],
    ['another protocol', (socket) => socket.end('SSH-2.0-x\r\n'), /is no admin server/],
    ['an end', (socket) => socket.end(), /does not answer/],
    ['HTML', (socket) => socket.end('HTTP/1.0 200 OK\r\n\r\n<html>'), /is no admin server/],
  ];
  for (const [what, behave, message] of cases) {
    await t.test(what, async () => {
      const sockets: Socket[] = [];
      const server = createServer((socket) => {
        sockets.push(socket);
        socket.resume().on('error', () => {});
        behave?.(socket);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      if (behave === null) await new Promise((done) => server.close(done));
      const error = await askAdmin(local(port), 'GET', '/healthz', null, 200).catch((e) => e);
      for (const socket of sockets) socket.destroy();
      if (behave !== null) await new Promise((done) => server.close(done));
      assert.ok(error instanceof AdminUnreachable, String(error));
      assert.match(error.message, message);
      assert.match(error.message, /^127\.0\.0\.1:\d+ [^\n]+$/);
    });
  }
});

function local(port: number): TcpAddress {
  return { kind: 'tcp', host: '127.0.0.1', port };
}

async function start(
  subject: AdminSubject,
  change: Partial<AdminConfig> = {},
): Promise<{ port: number; server: AdminServer }> {
  const listen = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const config = { listen, token: null, required: true, ...change };
  const server = await startAdmin(config, subject, silentLogger);
  started.push(server);
  return { port: Number(new URL(server.url).port), server };
}

async function ask(
  port: number,
  method: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
): Promise<[number, unknown]> {
  const { status, text } = await exchange(port, method, path, headers);
  return [status, JSON.parse(text)];
}

async function exchange(
  port: number,
  method: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
  agent: Agent | false = false,
) {
  const asked = request({ host: '127.0.0.1', port, method, path, headers, agent }).end();
  const [response] = await once(asked, 'response');
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return { status: response.statusCode as number, headers: response.headers, text };
}

function fakeSubject(): AdminSubject & { unready: string | null } {
  return {
    unready: null,
    status: () => relayStatus,
    readiness() {
      return this.unready === null ? { ready: true } : { ready: false, reason: this.unready };
    },
  };
}

const relayStatus: RelayStatus = {
  role: 'relay',
  version: '1.2.3',
  uptimeSeconds: 5,
  listen: ['127.0.0.1:1'],
  memory: {
    budgetBytes: 1,
    usedBytes: 0,
    readBufferBytes: 0,
    sendBytes: 0,
    receiveBytes: 0,
    sessionWindowBytes: 0,
  },
  connections: { active: 0, opened: 0, refused: 0, reset: 0 },
  bridges: [],
};
