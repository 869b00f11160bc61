import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { type ManagedService, runService } from '../../src/app/lifecycle.ts';
import type { RelayStatus } from '../../src/app/status.ts';
import type { LogFields, Logger } from '../../src/core/log.ts';
import { ListenError } from '../../src/sys/net-error.ts';
import type { ProcessEvents, StopSignal } from '../../src/sys/proc.ts';

test('prints what is bound, stops on SIGTERM once the last connection has ended', async () => {
  const world = new World();
  const status = world.run();
  await world.until('listening on 127.0.0.1:1');
  world.signal('SIGTERM');
  await world.until('drain');
  assert.ok(!world.said('close'), 'open connections are left alone');
  world.service.endLast();
  assert.equal(await status, 0);
  assert.deepEqual(world.story, ['listening on 127.0.0.1:1', 'drain', 'close']);
  assert.equal(world.listeners, 0);
});

test('what is for a service that is up is called once all is announced, and never without one', async () => {
  const world = new World();
  const onUp = () => {
    world.story.push('up');
    world.signal('SIGQUIT');
  };
  assert.equal(await world.run({ onUp }), 131);
  assert.deepEqual(world.story, ['listening on 127.0.0.1:1', 'up', 'close']);
  const other = new World();
  await other.run({ onUp: () => assert.fail(), start: () => Promise.reject(new Error('no')) });
});

test('cuts what is left when the time to drain is over: 5', async () => {
  const world = new World();
  const status = world.run({ drain: 20 });
  await world.until('listening on 127.0.0.1:1');
  world.signal('SIGINT');
  assert.equal(await status, 5);
  assert.deepEqual(world.story.slice(1), ['drain', 'close']);
  assert.match(world.logged(), /the time to drain is over.*"connections":3/);
});

test('a second signal cuts at once: 128 and its number', async () => {
  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const world = new World();
    const status = world.run();
    await world.until('listening on 127.0.0.1:1');
    world.signal('SIGTERM');
    await world.until('drain');
    world.signal(signal);
    assert.equal(await status, expected);
    assert.ok(world.said('close'));
  }
});

test('SIGQUIT cuts without a drain: 131', async () => {
  const world = new World();
  const status = world.run();
  await world.until('listening on 127.0.0.1:1');
  world.signal('SIGQUIT');
  assert.equal(await status, 131);
  assert.deepEqual(world.story.slice(1), ['close']);
});

test('an address that cannot be bound: 3, with the reason', async () => {
  const world = new World();
  const address = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const;
  const cause = Object.assign(new Error('x'), { code: 'EADDRINUSE' });
  assert.equal(
    await world.run({ start: () => Promise.reject(new ListenError(address, cause)) }),
    3,
  );
  assert.match(world.logged(), /cannot listen on 127.0.0.1:1/);
  assert.equal(world.listeners, 0);
});

test('another failure to start: 1', async () => {
  const world = new World();
  assert.equal(await world.run({ start: () => Promise.reject(new Error('no luck')) }), 1);
  assert.match(world.logged(), /no luck/);
});

test('a signal before the start is over: 0, and what came up late is closed', async () => {
  const world = new World();
  let finish = (_service: ManagedService): void => {};
  const status = world.run({
    start: () =>
      new Promise((resolve) => {
        finish = resolve;
      }),
  });
  world.signal('SIGTERM');
  assert.equal(await status, 0);
  finish(world.service);
  await world.until('close');
});

test('an error that nobody caught: closed, logged with its stack, 1', async () => {
  const world = new World();
  const status = world.run();
  await world.until('listening on 127.0.0.1:1');
  world.uncaught(new TypeError('oops'));
  assert.equal(await status, 1);
  assert.ok(world.said('close'), 'applications see RST, not an end');
  assert.match(world.logged(), /TypeError: oops.*at /s);
});

test('a service that cannot close does not keep the process', { timeout: 10_000 }, async () => {
  const world = new World();
  world.service.close = () => new Promise(() => {});
  const status = world.run();
  await world.until('listening on 127.0.0.1:1');
  world.service.endLast();
  world.signal('SIGTERM');
  assert.equal(await status, 0);
  assert.match(world.logged(), /closing takes too long/);
});

test('the admin server lives as long as the service, and tells of the stop', async () => {
  const world = new World();
  const status = world.run({ admin: anyPort(true) });
  const url = (await world.until('admin at ')).replace('admin at ', '');
  assert.deepEqual(await getJson(`${url}/readyz`), [200, { ready: true }]);
  world.signal('SIGTERM');
  await world.until('drain');
  const [code, body] = await getJson(`${url}/readyz`);
  assert.equal(code, 503);
  assert.match((body as { reason: string }).reason, /told to stop/);
  world.service.endLast();
  assert.equal(await status, 0);
  await assert.rejects(fetch(`${url}/healthz`));
});

test('without a free admin port: a warning by default, 3 if the port was asked for', async () => {
  const blockers = await occupyFive();
  const listen = { kind: 'tcp', host: '127.0.0.1', port: blockers.port } as const;
  const lax = new World();
  const status = lax.run({ admin: { listen, token: null, required: false } });
  await lax.until('listening on 127.0.0.1:1');
  while (!lax.logged().includes('without an admin server')) {
    await new Promise((done) => setImmediate(done));
  }
  lax.service.endLast();
  lax.signal('SIGTERM');
  assert.equal(await status, 0);

  const strict = new World();
  assert.equal(await strict.run({ admin: { listen, token: null, required: true } }), 3);
  assert.ok(strict.said('close'));
  await blockers.release();
});

/** A service, a process and a log that tests can hold in their hands. */
class World {
  /** What was printed, and what was done to the service, in order. */
  readonly story: string[] = [];
  readonly service: ManagedService & { endLast(): void };
  readonly #log: string[] = [];
  readonly #onStop = new Set<(signal: StopSignal) => void>();
  readonly #onUncaught = new Set<(error: unknown) => void>();
  readonly #waiting = new Set<() => void>();

  constructor() {
    let endLast = (): void => {};
    const lastEnded = new Promise<void>((resolve) => {
      endLast = resolve;
    });
    this.service = {
      listen: ['127.0.0.1:1'],
      status: () => relayStatus,
      readiness: () => ({ ready: true }),
      drain: () => {
        this.#tell('drain');
        return lastEnded;
      },
      close: async () => this.#tell('close'),
      endLast,
    };
  }

  run(change: Partial<Parameters<typeof runService>[0]> = {}): Promise<number> {
    return runService({
      start: async () => this.service,
      admin: null,
      drain: 10_000,
      logger: this.#logger(),
      print: (line) => this.#tell(line),
      events: this.#events(),
      ...change,
    });
  }

  signal(signal: StopSignal): void {
    for (const handler of this.#onStop) handler(signal);
  }

  uncaught(error: unknown): void {
    for (const handler of this.#onUncaught) handler(error);
  }

  get listeners(): number {
    return this.#onStop.size + this.#onUncaught.size;
  }

  said(start: string): boolean {
    return this.story.some((line) => line.startsWith(start));
  }

  logged(): string {
    return this.#log.join('\n');
  }

  /** The first line of the story that begins so, as soon as it is there. */
  async until(start: string): Promise<string> {
    while (!this.said(start)) await new Promise<void>((wake) => this.#waiting.add(wake));
    return this.story.find((line) => line.startsWith(start))!;
  }

  #tell(line: string): void {
    this.story.push(line);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #logger(): Logger {
    const write = (message: string, fields?: LogFields) => {
      this.#log.push(`${message} ${JSON.stringify(fields ?? {})}`);
    };
    return { debug: write, info: write, warn: write, error: write };
  }

  #events(): ProcessEvents {
    return {
      onStop: (handler) => register(this.#onStop, handler),
      onUncaught: (handler) => register(this.#onUncaught, handler),
    };
  }
}

function register<T>(set: Set<T>, handler: T): () => void {
  set.add(handler);
  return () => set.delete(handler);
}

function anyPort(required: boolean) {
  return { listen: { kind: 'tcp', host: '127.0.0.1', port: 0 }, token: null, required } as const;
}

async function getJson(url: string): Promise<[number, unknown]> {
  const response = await fetch(url, { headers: { connection: 'close' } });
  return [response.status, await response.json()];
}

/** Five ports in a row that nobody else can have. */
async function occupyFive(): Promise<{ port: number; release(): Promise<void> }> {
  for (;;) {
    const servers = [
      createServer(),
      createServer(),
      createServer(),
      createServer(),
      createServer(),
    ];
    let port = 0;
    try {
      for (const [index, server] of servers.entries()) {
        server.listen(index === 0 ? 0 : port + index, '127.0.0.1');
        await once(server, 'listening');
        if (index === 0) port = (server.address() as { port: number }).port;
      }
      return { port, release: () => closeAll(servers) };
    } catch {
      await closeAll(servers);
    }
  }
}

async function closeAll(servers: readonly ReturnType<typeof createServer>[]): Promise<void> {
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
}

const relayStatus: RelayStatus = {
  role: 'relay',
  version: '0',
  uptimeSeconds: 0,
  listen: ['127.0.0.1:1'],
  memory: {
    budgetBytes: 1,
    usedBytes: 0,
    readBufferBytes: 0,
    sendBytes: 0,
    receiveBytes: 0,
    sessionWindowBytes: 0,
  },
  connections: { active: 3, opened: 3, refused: 0, reset: 0 },
  bridges: [],
};
