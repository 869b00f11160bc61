// Stands in for load.c where there is no compiler: the same commands and answers, see there. It is
// slower than most of what it measures, and says nothing of fairness.
import { createConnection, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const piece = Buffer.alloc(256 * 1024, 'x');

/** Written by the target's thread alone: bytes that it has sunk, connections that it has. */
const shared: Float64Array = isMainThread
  ? new Float64Array(new SharedArrayBuffer(16))
  : new Float64Array(workerData);
const SUNK = 0;
const SERVED = 1;

function pour(socket: Socket): void {
  while (socket.writable && socket.write(piece));
}

// The target.

async function serveTarget(): Promise<void> {
  const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    shared[SERVED]! += 1;
    socket.once('close', () => {
      shared[SERVED]! -= 1;
    });
    socket.on('error', () => {});
    let mode = '';
    socket.on('data', (data: Buffer) => {
      if (mode === '') {
        mode = String.fromCharCode(data[0]!);
        socket.write('!');
        if (mode === 's' || mode === 'b') {
          socket.on('drain', () => pour(socket));
          pour(socket);
        }
      } else if (mode === 'e') socket.write(data);
      else shared[SUNK]! += data.length;
    });
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
    const address = server.address();
    parentPort?.postMessage(typeof address === 'object' ? address?.port : 0);
  });
}

// The applications.

interface Conn {
  readonly socket: Socket;
  onData(data: Buffer): void;
}

const held: Conn[] = [];
/** Bytes that the applications have sunk. */
let sunkDown = 0;

async function playApplications(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: shared.buffer });
  worker.once('message', (port: number) => say({ port }));
  for await (const line of createInterface(process.stdin)) {
    const [command, ...words] = line.split(' ');
    try {
      await run(command, words);
    } catch (error) {
      say({ error: error instanceof Error ? error.message : String(error) });
    }
  }
  process.exit(0);
}

async function run(command: string | undefined, words: readonly string[]): Promise<void> {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = words.map(Number);
  if (command === 'bulk') await bulk(a, words[1] ?? '', c, d, e);
  else if (command === 'ping') await ping(a, b, c, d, e);
  else if (command === 'dial') await dialAgain(a, b, c, d);
  else if (command === 'hold') {
    held.push(...(await openAll(b, a, 'e')));
    say({ held: b, ms: 0 });
  } else if (command === 'drop') {
    await cutAll(held.splice(0));
    say({ left: shared[SERVED]! });
  } else throw new Error('a command that is not known');
}

/** Resolves when the target has answered. */
function dial(port: number, mode: string): Promise<Conn> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    const conn: Conn = { socket, onData: () => {} };
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('a connection broke or failed')));
    socket.once('data', () => {
      socket.on('data', (data: Buffer) => conn.onData(data));
      resolve(conn);
    });
    socket.write(mode);
  });
}

async function openAll(count: number, port: number, mode: string): Promise<Conn[]> {
  const conns: Conn[] = [];
  const atOnce = 64;
  while (conns.length < count) {
    const batch = Math.min(atOnce, count - conns.length);
    conns.push(...(await Promise.all(Array.from({ length: batch }, () => dial(port, mode)))));
  }
  return conns;
}

async function cutAll(conns: readonly Conn[]): Promise<void> {
  for (const { socket } of conns) socket.resetAndDestroy();
  for (let wait = 0; shared[SERVED]! > 0 && wait < 500; wait += 1) await sleep(10);
}

async function bulk(port: number, way: string, count: number, warm: number, ms: number) {
  const mode = way === 'push' ? 'd' : way === 'pull' ? 's' : 'b';
  const conns = await openAll(count, port, mode);
  for (const conn of conns) {
    conn.onData = (data) => {
      sunkDown += data.length;
    };
    if (way === 'pull') continue;
    conn.socket.on('drain', () => pour(conn.socket));
    pour(conn.socket);
  }
  const look = () => ({ up: shared[SUNK]!, down: sunkDown });
  const [before, after, took] = await window(warm, ms, look);
  const up = after.up - before.up;
  const down = after.down - before.down;
  const broken = conns.filter(({ socket }) => socket.destroyed).length;
  say({ up, down, ms: took, fairness: 0, broken });
  await cutAll(conns);
}

async function ping(port: number, size: number, count: number, warm: number, ms: number) {
  const message = piece.subarray(0, size);
  const conns = await openAll(count, port, 'e');
  const samples = new Samples();
  for (const conn of conns) {
    let awaited = size;
    let began = performance.now();
    conn.onData = (data) => {
      awaited -= data.length;
      if (awaited > 0) return;
      samples.add(performance.now() - began);
      awaited = size;
      began = performance.now();
      conn.socket.write(message);
    };
    conn.socket.write(message);
  }
  await samples.say(warm, ms, () => conns.filter(({ socket }) => socket.destroyed).length);
  await cutAll(conns);
}

async function dialAgain(port: number, atOnce: number, warm: number, ms: number) {
  const samples = new Samples();
  let broken = 0;
  let isOver = false;
  const slot = async () => {
    while (!isOver) {
      const began = performance.now();
      try {
        const { socket } = await dial(port, 'e');
        samples.add(performance.now() - began);
        socket.end();
      } catch {
        broken += 1;
        await sleep(10);
      }
    }
  };
  const slots = Array.from({ length: atOnce }, slot);
  await samples.say(warm, ms, () => broken);
  isOver = true;
  await Promise.all(slots);
  await cutAll([]);
}

class Samples {
  readonly #times: number[] = [];

  add(ms: number): void {
    this.#times.push(ms);
  }

  async say(warm: number, ms: number, broken: () => number): Promise<void> {
    const [before, after, took] = await window(warm, ms, () => this.#times.length);
    const sorted = this.#times.slice(before, after).sort((a, b) => a - b);
    const count = sorted.length;
    const at = (share: number) => sorted[Math.floor(count * share)] ?? 0;
    say({ count, ms: took, p50: at(0.5), p99: at(0.99), broken: broken() });
  }
}

/** What `look` sees at both ends of the window, and how long it was. */
async function window<T>(warm: number, ms: number, look: () => T): Promise<[T, T, number]> {
  await sleep(warm);
  say({ begin: 1 });
  const began = performance.now();
  const before = look();
  await sleep(ms);
  return [before, look(), performance.now() - began];
}

function say(answer: Record<string, number | string>): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

if (isMainThread) await playApplications();
else await serveTarget();
