import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EmulatedConnection, type PathParameters } from '../../src/app/emulator/connection.ts';
import { Chunk } from '../../src/core/chunk.ts';
import type { BrokenPipe, Pipe, PipeHandler } from '../../src/io/pipe.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';

/** A program at one end: notes what happens, and when. */
class Program implements PipeHandler {
  readonly events: string[] = [];
  bytes = 0;
  readonly #clock: VirtualClock;
  readonly #pipe: Pipe;

  constructor(clock: VirtualClock, pipe: Pipe) {
    this.#clock = clock;
    this.#pipe = pipe;
    pipe.attach(this);
    pipe.resume();
  }

  send(length: number): void {
    assert.ok(this.#pipe.send(new Chunk(new Uint8Array(length))));
  }

  /** Sends until its pipe is congested; the bytes that went. */
  fill(): number {
    let sent = 0;
    while (this.#pipe.writable) {
      this.send(1000);
      sent += 1000;
    }
    return sent;
  }

  sendFin = (): void => this.#pipe.sendFin();
  abort = (): void => this.#pipe.abort();
  pause = (): void => this.#pipe.pause();
  resume = (): void => this.#pipe.resume();

  onChunk(chunk: Chunk): void {
    this.bytes += chunk.length;
    this.#note(`${chunk.length} bytes`);
    chunk.release();
  }
  onFin(): void {
    this.#note('fin');
  }
  onDrain(): void {}
  onFinSent(): void {}
  onBroken(cause: BrokenPipe): void {
    this.#note(cause.kind);
  }

  #note(what: string): void {
    this.events.push(`${Number(this.#clock.now().toFixed(2))} ms: ${what}`);
  }
}

/** A connection from `client` to `server`, in virtual time. */
function setUp(path: PathParameters, dial?: () => Promise<never>) {
  const clock = new VirtualClock();
  const [clientPipe, near] = memoryPipePair({ capacity: 20_000, clock });
  const [far, serverPipe] = memoryPipePair({ capacity: 20_000, clock });
  const dialled: number[] = [];
  let closed = 0;
  const connection = new EmulatedConnection({
    index: 0,
    clock,
    tick: 0,
    path,
    near,
    nearPort: 1,
    dial: async () => {
      dialled.push(clock.now());
      await dial?.();
      return { pipe: far, localPort: 2 };
    },
    onClosed: () => {
      closed += 1;
    },
  });
  /** Lets time pass; promises settle between the steps of the clock. */
  const runUntil = async (time: number): Promise<void> => {
    let reached = false;
    clock.at(time, () => {
      reached = true;
    });
    while (!reached) {
      await new Promise(setImmediate);
      clock.step();
    }
  };
  return {
    clock,
    connection,
    dialled,
    runUntil,
    closed: () => closed,
    client: new Program(clock, clientPipe),
    server: new Program(clock, serverPipe),
  };
}

/** Bytes take a millisecond per 1000, and then 20 ms up, 30 ms down. */
const path: PathParameters = {
  up: { rate: 1_000_000, delay: 20 },
  down: { rate: 1_000_000, delay: 30 },
};

describe('emulated connection', () => {
  test('SYN, bytes and FIN take their time, each direction by itself', async () => {
    const { client, server, dialled, closed, runUntil } = setUp(path);
    client.send(1000);
    client.sendFin();
    await runUntil(100);
    assert.deepEqual(dialled, [20]);
    assert.deepEqual(server.events, ['21 ms: 1000 bytes', '21 ms: fin']);
    assert.deepEqual(client.events, []);
    server.send(500);
    await runUntil(200);
    assert.equal(closed(), 0);
    server.sendFin();
    await runUntil(300);
    assert.deepEqual(client.events, ['130.5 ms: 500 bytes', '230 ms: fin']);
    assert.equal(closed(), 1);
  });

  test('RST drops what is under way, and crosses in the time of the delay', async () => {
    const { client, server, connection, closed, runUntil } = setUp(path);
    await runUntil(50);
    client.send(15_000);
    server.send(15_000);
    await runUntil(51);
    client.abort();
    await runUntil(200);
    assert.deepEqual(server.events, ['71 ms: reset']);
    assert.deepEqual(client.events, []);
    assert.equal(connection.upBytes + connection.downBytes, 0);
    assert.equal(closed(), 1);
  });

  test('RST of the target reaches the client the same way', async () => {
    const { client, server, closed, runUntil } = setUp(path);
    await runUntil(50);
    server.abort();
    await runUntil(200);
    assert.deepEqual(client.events, ['80 ms: reset']);
    assert.equal(closed(), 1);
  });

  test('a target that cannot be reached shows as RST after a round trip', async () => {
    const refuse = (): Promise<never> => Promise.reject(new Error('refused'));
    const { client, closed, runUntil } = setUp(path, refuse);
    client.send(100);
    await runUntil(200);
    assert.deepEqual(client.events, ['50 ms: reset']);
    assert.equal(closed(), 1);
  });

  test('an RST before the SYN has arrived: the target never hears of it', async () => {
    const { client, dialled, closed, runUntil } = setUp(path);
    client.abort();
    await runUntil(200);
    assert.deepEqual(dialled, []);
    assert.equal(closed(), 1);
  });

  test('a stall holds one direction for its time', async () => {
    const { client, server, connection, runUntil } = setUp(path);
    await runUntil(50);
    connection.stall(500, 'up');
    client.send(1000);
    server.send(1000);
    await runUntil(1000);
    assert.deepEqual(client.events, ['81 ms: 1000 bytes']);
    assert.deepEqual(server.events, ['571 ms: 1000 bytes']);
  });

  test('a stall without end holds bytes and RST until it is released', async () => {
    const { client, server, connection, runUntil } = setUp(path);
    await runUntil(50);
    connection.stall();
    client.send(1000);
    await runUntil(10_000);
    assert.deepEqual(server.events, []);
    client.abort();
    await runUntil(11_000);
    assert.deepEqual(server.events, []);
    connection.release();
    await runUntil(12_000);
    assert.deepEqual(server.events, ['11020 ms: reset']);
  });

  test('a later stall replaces the end of an earlier one', async () => {
    const { client, server, connection, runUntil } = setUp(path);
    await runUntil(50);
    connection.stall(100);
    connection.stall(1000);
    client.send(1000);
    await runUntil(3000);
    assert.deepEqual(server.events, ['1071 ms: 1000 bytes']);
  });

  test('a throttle changes the rate', async () => {
    const { client, server, connection, runUntil } = setUp(path);
    await runUntil(50);
    connection.throttle(50_000, 'up');
    client.send(1000);
    await runUntil(3000);
    assert.deepEqual(server.events, ['90 ms: 1000 bytes']);
  });

  test('kill() is RST to both, at once', async () => {
    const { client, server, connection, closed, clock, runUntil } = setUp(path);
    await runUntil(50);
    client.send(10_000);
    connection.stall(10_000);
    connection.kill();
    assert.equal(closed(), 1);
    await runUntil(51);
    assert.deepEqual(client.events, ['50 ms: reset']);
    assert.deepEqual(server.events, ['50 ms: reset']);
    assert.equal(clock.pending, 0);
  });

  test('a blackhole swallows bytes, FIN and RST', async () => {
    const { client, server, connection, closed, runUntil } = setUp(path);
    await runUntil(50);
    client.send(5000);
    await runUntil(52);
    connection.blackhole();
    client.send(5000);
    server.send(5000);
    server.sendFin();
    await runUntil(1000);
    client.abort();
    await runUntil(10_000);
    assert.deepEqual([client.events, server.events], [[], []]);
    assert.equal(closed(), 0);
    server.abort();
    await runUntil(10_001);
    assert.equal(closed(), 1);
  });

  test('a blackhole before the SYN has arrived: the target never hears of it', async () => {
    const { client, connection, dialled, closed, runUntil } = setUp(path);
    connection.blackhole();
    await runUntil(1000);
    assert.deepEqual(dialled, []);
    client.abort();
    await runUntil(2000);
    assert.equal(closed(), 1);
  });

  test('a reader that stops makes the sender stop; nothing is lost when it goes on', async () => {
    const { client, server, runUntil } = setUp({ up: { rate: 1_000_000, queue: 30_000 } });
    await runUntil(50);
    server.pause();
    let sent = 0;
    for (let time = 60; time < 1000; time += 10) {
      sent += client.fill();
      await runUntil(time);
    }
    assert.ok(sent >= 30_000 && sent < 150_000, `${sent} bytes were taken`);
    server.resume();
    await runUntil(2000);
    assert.equal(server.bytes, sent);
  });

  test('an RST gets past a reader that has stopped', async () => {
    const { client, server, runUntil } = setUp({ up: { delay: 20 } });
    await runUntil(50);
    server.pause();
    for (let time = 60; time < 500; time += 10) {
      client.fill();
      await runUntil(time);
    }
    client.abort();
    await runUntil(1000);
    assert.equal(server.events.at(-1), '510 ms: reset');
  });

  test('a blackhole takes bytes at the rate, not faster', async () => {
    const { client, connection, runUntil } = setUp({ up: { rate: 1_000_000, queue: 30_000 } });
    await runUntil(50);
    connection.blackhole();
    let sent = 0;
    for (let time = 55; time <= 1050; time += 5) {
      sent += client.fill();
      await runUntil(time);
    }
    assert.ok(sent > 900_000 && sent < 1_100_000, `${sent} bytes in a second`);
  });
});
