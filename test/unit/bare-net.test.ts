import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Address } from '../../src/core/address.ts';
import { dialBare, listenBare } from '../../src/sys/bare-net.ts';
import { type AnySocket, BareSocket } from '../../src/sys/bare-socket.ts';
import { type Listener, peerOf } from '../../src/sys/net.ts';
import { DialError } from '../../src/sys/net-error.ts';

const LIMIT = { timeout: 10_000 };
const folder = mkdtempSync(join(tmpdir(), 'tcp-striper-bare-'));
after(() => rmSync(folder, { recursive: true }));

const isWindows = process.platform === 'win32';
const kinds: readonly { name: string; address: Address; peer: RegExp; skip: boolean }[] = [
  {
    name: 'IPv4',
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    peer: /^127\.0\.0\.1:\d+$/,
    skip: false,
  },
  {
    name: 'IPv6',
    address: { kind: 'tcp', host: '::1', port: 0 },
    peer: /^\[::1\]:\d+$/,
    skip: !hasIpv6(),
  },
  {
    name: 'a unix socket',
    address: { kind: 'unix', path: join(folder, 'one') },
    peer: /^unnamed$/,
    skip: isWindows,
  },
];
const [ipv4] = kinds;

for (const { name, address, peer, skip } of kinds) {
  test(`${name}: both ends are bare, and known by name`, { ...LIMIT, skip }, () =>
    withPair(address, ({ accepted, dialled }) => {
      assert.ok(accepted instanceof BareSocket);
      assert.ok(dialled instanceof BareSocket);
      assert.match(peerOf(accepted), peer);
      assert.equal(accepted.isConnected, true);
    }),
  );
}

test('a listener closes after the last connection that it has accepted', LIMIT, async () => {
  let accepted: AnySocket | null = null;
  const listener = await listenBare(ipv4!.address, (socket) => {
    accepted = socket;
  });
  const dialled = await dialOrThrow(boundTo(listener));
  await until(() => accepted !== null);
  let isClosed = false;
  const closing = listener.close().then(() => {
    isClosed = true;
  });
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  assert.equal(isClosed, false);
  close(accepted!);
  await closing;
  close(dialled);
});

test(
  'both ends have the kernel ask after a long silence',
  {
    ...LIMIT,
    skip: process.platform !== 'linux',
  },
  () =>
    withPair(ipv4!.address, ({ port }) => {
      const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
      const rows = readFileSync('/proc/net/tcp', 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter(([, local, remote, state]) => {
          return state === '01' && (local?.endsWith(hex) || remote?.endsWith(hex));
        });
      assert.equal(rows.length, 2);
      // The kind of timer that runs (2: keep-alive), and when it will be due, in hundredths of a second.
      for (const [, , , , , timer = ''] of rows) {
        const [kind, due = ''] = timer.split(':');
        assert.equal(kind, '02');
        assert.ok(Number.parseInt(due, 16) <= 3_000, timer);
      }
    }),
);

test('a dial that fails says where and why, after it has returned', LIMIT, async () => {
  const listener = await listenBare(ipv4!.address, () => {});
  const closed = boundTo(listener);
  await listener.close();
  await assertFails(closed, 'refused', /^cannot connect to 127\.0\.0\.1:\d+: connection refused/);
  const nowhere: Address = { kind: 'tcp', host: 'no-such-host.invalid', port: 1 };
  await assertFails(nowhere, 'dns', /^cannot connect to no-such-host\.invalid:1: the /);
  if (isWindows) return;
  const nobody: Address = { kind: 'unix', path: join(folder, 'nobody') };
  await assertFails(nobody, 'refused', /^cannot connect to unix:.*no such socket/);
});

test('a dial gives up in time', LIMIT, async () => {
  // An address for documentation: nobody answers there.
  const address: Address = { kind: 'tcp', host: '192.0.2.1', port: 9 };
  const outcome = await outcomeOf(address, 50);
  assert.ok(outcome instanceof DialError);
  // Where there is no route to the test network, that is said at once.
  assert.ok(['timeout', 'unreachable', 'refused'].includes(outcome.kind), outcome.message);
});

test('a dial can be called off, and is heard of once', LIMIT, async () => {
  const listener = await listenBare(ipv4!.address, close);
  const outcomes: (AnySocket | DialError)[] = [];
  const cancel = dialBare(boundTo(listener), { timeout: 1_000 }, (each) => outcomes.push(each));
  cancel();
  cancel();
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  assert.equal(outcomes.length, 1);
  assert.ok(outcomes[0] instanceof DialError);
  assert.equal(outcomes[0].kind, 'aborted');
  await listener.close();
});

test('a host name is dialled, too', LIMIT, async () => {
  const listener = await listenBare(ipv4!.address, close);
  const { port } = boundTo(listener) as { port: number };
  const outcome = await outcomeOf({ kind: 'tcp', host: 'localhost', port }, 5_000);
  assert.ok(!(outcome instanceof DialError));
  close(outcome);
  await listener.close();
});

test('where Node keeps its classes to itself, connections are sockets as ever', LIMIT, () => {
  const script = `
    process.binding = () => { throw new Error('not here'); };
    const { listenBare, dialBare } = await import(${JSON.stringify(moduleOf('sys/bare-net.js'))});
    const { tcpPipe } = await import(${JSON.stringify(moduleOf('io/pipe-tcp.js'))});
    const { SlabPool } = await import(${JSON.stringify(moduleOf('data/slab-pool.js'))});
    const { Chunk } = await import(${JSON.stringify(moduleOf('core/chunk.js'))});
    const pool = new SlabPool({ allocate: Buffer.alloc, budget: 4194304 });
    const ends = (onChunk) => ({ onChunk, onFin() {}, onDrain() {}, onFinSent() {}, onBroken() {} });
    const listener = await listenBare({ kind: 'tcp', host: '127.0.0.1', port: 0 }, (socket) => {
      const pipe = tcpPipe(socket, pool);
      pipe.attach(ends((chunk) => pipe.send(chunk)));
      pipe.resume();
      console.log(socket.constructor.name);
    });
    const [, port] = listener.addresses[0].split(':');
    dialBare({ kind: 'tcp', host: '127.0.0.1', port: Number(port) }, { timeout: 5000 }, (socket) => {
      const pipe = tcpPipe(socket, pool);
      pipe.attach(ends((chunk) => {
        console.log(socket.constructor.name, Buffer.from(chunk.bytes).toString());
        process.exit(0);
      }));
      pipe.resume();
      pipe.send(new Chunk(Buffer.from('and back')));
    });`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(stdout.toString(), 'Socket\nSocket and back\n', stderr.toString());
});

interface Pair {
  readonly accepted: AnySocket;
  readonly dialled: AnySocket;
  readonly port: number;
}

async function withPair(address: Address, run: (pair: Pair) => void): Promise<void> {
  let accepted: AnySocket | null = null;
  const listener = await listenBare(address, (socket) => {
    accepted = socket;
  });
  const bound = boundTo(listener);
  const dialled = await dialOrThrow(bound);
  await until(() => accepted !== null);
  try {
    run({ accepted: accepted!, dialled, port: bound.kind === 'tcp' ? bound.port : 0 });
  } finally {
    close(accepted!);
    close(dialled);
    await listener.close();
  }
}

async function dialOrThrow(address: Address): Promise<AnySocket> {
  const outcome = await outcomeOf(address, 5_000);
  if (outcome instanceof DialError) throw outcome;
  return outcome;
}

function outcomeOf(address: Address, timeout: number): Promise<AnySocket | DialError> {
  return new Promise((resolve, reject) => {
    let hasReturned = false;
    dialBare(address, { timeout }, (outcome) => {
      if (hasReturned) resolve(outcome);
      else reject(new Error('called back from inside of the call'));
    });
    hasReturned = true;
  });
}

async function assertFails(
  address: Address,
  kind: DialError['kind'],
  message: RegExp,
): Promise<void> {
  const outcome = await outcomeOf(address, 5_000);
  assert.ok(outcome instanceof DialError);
  assert.match(outcome.message, message);
  assert.equal(outcome.kind, kind);
}

function close(socket: AnySocket): void {
  if (socket instanceof BareSocket) socket.close();
  else socket.destroy();
}

function boundTo(listener: Listener): Address {
  const text = listener.addresses[0] ?? '';
  if (text.startsWith('unix:')) return { kind: 'unix', path: text.slice('unix:'.length) };
  const at = text.lastIndexOf(':');
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  return { kind: 'tcp', host, port: Number(text.slice(at + 1)) };
}

function moduleOf(path: string): string {
  return new URL(`../../src/${path}`, import.meta.url).href;
}

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((list) =>
    list?.some(({ address }) => address === '::1'),
  );
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextTurn();
}
