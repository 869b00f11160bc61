import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { startRelay } from '../../src/app/relay.ts';
import type { Service } from '../../src/app/service.ts';
import type { RelayStatus } from '../../src/app/status.ts';
import type { Address } from '../../src/core/address.ts';
import type { LogFields, Logger } from '../../src/core/log.ts';

const LIMIT = { timeout: 30_000 };
const MiB = 1024 * 1024;

test('a big transfer arrives whole, both ways at once', LIMIT, () =>
  withRelay(echo, async ({ connection, status }) => {
    const body = randomBytes(32 * MiB);
    const socket = await connection();
    const sent = sendSlowly(socket, body);
    assert.equal(await digest(socket), createHash('sha256').update(body).digest('hex'));
    await sent;
    await until(() => status().connections.active === 0);
    assert.equal(status().memory.usedBytes, 0, 'all read buffers came home');
    assert.deepEqual(status().connections, { active: 0, opened: 1, refused: 0, reset: 0 });
  }),
);

test('a reader that stops holds up the sender, and the memory is bounded', LIMIT, () =>
  withRelay(echo, async ({ connection, status }) => {
    const socket = await connection();
    const body = Buffer.alloc(256 * 1024, 1);
    let sent = 0;
    let isStuck = false;
    while (!isStuck) {
      sent += body.length;
      assert.ok(sent < 256 * MiB, 'somebody buffers without bound');
      if (!socket.write(body)) isStuck = !(await drains(socket));
    }
    const [bridge] = status().bridges;
    assert.ok(bridge !== undefined);
    assert.ok(bridge.far.congestions + bridge.near.congestions > 0);
    assert.ok(status().memory.usedBytes <= 2 * MiB, `${status().memory.usedBytes} bytes`);
    let received = 0;
    socket.on('data', (bytes: Buffer) => (received += bytes.length));
    socket.end();
    await once(socket, 'end');
    assert.equal(received, sent);
  }),
);

test('half-close: each direction lasts as long as its sender likes', LIMIT, () =>
  withRelay(
    (socket) => {
      const parts: Buffer[] = [];
      socket.on('data', (bytes: Buffer) => parts.push(bytes));
      socket.on('end', () => setTimeout(() => socket.end(`got ${Buffer.concat(parts)}`), 50));
    },
    async ({ connection, status }) => {
      const socket = await connection();
      socket.end('request');
      assert.equal((await collect(socket)).toString(), 'got request');
      await until(() => status().connections.active === 0);
      assert.equal(status().connections.reset, 0);
    },
  ),
);

test('half-close from the target', LIMIT, () => {
  let heard = '';
  return withRelay(
    (socket) => {
      socket.on('data', (bytes: Buffer) => (heard += bytes));
      socket.end('banner');
    },
    async ({ connection, status }) => {
      const socket = await connection();
      assert.equal((await collect(socket)).toString(), 'banner');
      socket.end('still here');
      await until(() => status().connections.active === 0);
      assert.equal(heard, 'still here');
    },
  );
});

test('RST from the target is RST to the client, and counts as one', LIMIT, () =>
  withRelay(
    (socket) => {
      socket.write('half of an answ');
      socket.once('data', () => socket.resetAndDestroy());
    },
    async ({ connection, status }) => {
      const socket = await connection();
      socket.write('request');
      await assert.rejects(collect(socket), { code: 'ECONNRESET' });
      await until(() => status().connections.active === 0);
      assert.equal(status().connections.reset, 1);
    },
  ),
);

test('RST from the client is RST to the target', LIMIT, async () => {
  let outcome = '';
  let heard = '';
  await withRelay(
    (socket) => {
      socket.on('data', (bytes: Buffer) => (heard += bytes));
      socket.on('end', () => (outcome = 'end'));
      socket.on('error', (error: NodeJS.ErrnoException) => (outcome = error.code ?? ''));
    },
    async ({ connection }) => {
      const socket = await connection();
      socket.write('cut sho');
      // Node's own sockets, as this target's, hide an RST that comes together with bytes.
      await until(() => heard === 'cut sho');
      socket.resetAndDestroy();
      await until(() => outcome !== '');
      assert.equal(outcome, 'ECONNRESET');
    },
  );
});

test('a refused target is RST to the client, and one line in the log', LIMIT, async () => {
  const { server, address } = await startTarget(echo);
  await close(server);
  const log = new RecordingLogger();
  const relay = await startRelay(config(address), log);
  const socket = connectTo(relay);
  await assert.rejects(collect(socket), { code: 'ECONNRESET' });
  const status = relay.status() as RelayStatus;
  assert.deepEqual(status.connections, { active: 0, opened: 1, refused: 1, reset: 0 });
  assert.equal(log.lines.length, 1);
  assert.match(log.lines[0] ?? '', /^warn cannot connect to 127\.0\.0\.1:\d+: connection refused/);
  await relay.close();
});

test('unix sockets on both sides', { ...LIMIT, skip: process.platform === 'win32' }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tcp-striper-relay-'));
  const to: Address = { kind: 'unix', path: join(folder, 'target') };
  const { server } = await startTarget(echo, to);
  const relay = await startRelay(
    { ...config(to), listen: { kind: 'unix', path: join(folder, 'relay') } },
    new RecordingLogger(),
  );
  assert.deepEqual(relay.listen, [`unix:${join(folder, 'relay')}`]);
  const body = randomBytes(3 * MiB);
  const socket = connectTo(relay);
  const sent = sendSlowly(socket, body);
  assert.equal(await digest(socket), createHash('sha256').update(body).digest('hex'));
  await sent;
  await relay.close();
  await close(server);
  rmSync(folder, { recursive: true });
});

test('200 connections at once, each with its own bytes, and nothing is left', LIMIT, async () => {
  await withRelay(echo, async ({ connection, status }) => {
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const body = Buffer.alloc(20_000 + index * 100, `connection ${index} `);
        const socket = await connection();
        const received = collect(socket);
        socket.end(body);
        assert.ok((await received).equals(body), `connection ${index}`);
      }),
    );
    await until(() => status().connections.active === 0);
    assert.deepEqual(status().connections, { active: 0, opened: 200, refused: 0, reset: 0 });
    assert.equal(status().memory.usedBytes, 0);
  });
  await until(() => openSockets().length === 0);
});

test('drain lets connections finish and takes no new ones', LIMIT, () =>
  withRelay(echo, async ({ relay, connection }) => {
    const socket = await connection();
    socket.write('a');
    await once(socket, 'readable');
    let isDrained = false;
    const drained = relay.drain().then(() => {
      isDrained = true;
    });
    assert.equal(relay.readiness().ready, false);
    await assert.rejects(once(connectTo(relay), 'connect'), { code: 'ECONNREFUSED' });
    assert.equal(isDrained, false);
    socket.end('b');
    assert.equal((await collect(socket)).toString(), 'ab');
    await drained;
  }),
);

test('close resets what is open, and what is being dialled', LIMIT, async () => {
  await withRelay(echo, async ({ relay, connection }) => {
    const socket = await connection();
    socket.write('a');
    await once(socket, 'readable');
    const dialling = connectTo(relay);
    await once(dialling, 'connect');
    const [first, second] = [collect(socket), collect(dialling)];
    await Promise.all([
      assert.rejects(first, { code: 'ECONNRESET' }),
      assert.rejects(second, { code: 'ECONNRESET' }),
      relay.close(),
    ]);
  });
  await until(() => openSockets().length === 0);
});

interface World {
  readonly relay: Service;
  connection(): Promise<Socket>;
  status(): RelayStatus;
}

async function withRelay(
  serve: (socket: Socket) => void,
  run: (world: World) => Promise<void>,
): Promise<void> {
  const { server, address } = await startTarget(serve);
  const relay = await startRelay(config(address), new RecordingLogger());
  try {
    await run({
      relay,
      status: () => relay.status() as RelayStatus,
      connection: async () => {
        const socket = connectTo(relay);
        await once(socket, 'connect');
        return socket;
      },
    });
  } finally {
    await relay.close();
    await close(server);
  }
}

function config(to: Address) {
  const listen: Address = { kind: 'tcp', host: '127.0.0.1', port: 0 };
  return { listen, to, connectTimeout: 5000, memory: 64 * MiB, busyPoll: 0.2 };
}

function connectTo(relay: Service): Socket {
  const text = relay.listen[0] ?? '';
  const unix = /^unix:(.*)/.exec(text)?.[1];
  const to =
    unix === undefined ? { port: Number(text.split(':')[1]), host: '127.0.0.1' } : { path: unix };
  return connect({ ...to, allowHalfOpen: true });
}

async function startTarget(
  serve: (socket: Socket) => void,
  at: Address = { kind: 'tcp', host: '127.0.0.1', port: 0 },
): Promise<{ server: Server; address: Address }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  if (at.kind === 'unix') server.listen(at.path);
  else server.listen(at.port, at.host ?? '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return { server, address: at };
  return { server, address: { kind: 'tcp', host: '127.0.0.1', port: bound.port } };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function echo(socket: Socket): void {
  socket.pipe(socket);
}

/** Writes with regard to the socket's buffer, then ends. */
async function sendSlowly(socket: Socket, body: Buffer): Promise<void> {
  for (let at = 0; at < body.length; at += 100_000) {
    if (!socket.write(body.subarray(at, at + 100_000))) await once(socket, 'drain');
  }
  socket.end();
}

async function collect(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => parts.push(bytes));
  await once(socket, 'end');
  return Buffer.concat(parts);
}

async function digest(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  socket.on('data', (bytes: Buffer) => hash.update(bytes));
  await once(socket, 'end');
  return hash.digest('hex');
}

/** False if the socket is still congested after 300 ms. */
function drains(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      socket.off('drain', onDrain);
      resolve(false);
    }, 300);
    const onDrain = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    socket.once('drain', onDrain);
  });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}

function openSockets(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP'));
}

class RecordingLogger implements Logger {
  readonly lines: string[] = [];

  debug(): void {}
  info(): void {}
  warn(message: string, fields?: LogFields): void {
    this.lines.push(`warn ${message} ${JSON.stringify(fields)}`);
  }
  error(message: string, fields?: LogFields): void {
    this.lines.push(`error ${message} ${JSON.stringify(fields)}`);
  }
}
