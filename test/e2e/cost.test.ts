import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { MiB } from './support/numbers.ts';
import { Pair } from './support/pair.ts';
import { Target } from './support/target.ts';
import { until, within } from './support/wait.ts';

// System calls per MiB carried: counted, not timed. Most of a proxy's time is spent in them.

const SIZE = 128 * MiB;
/** Reads, writes, waits and what else it takes. Node's TLS reads 64 KiB and 16 KiB in turn, at best. */
const most = { plain: 60, TLS: 100 };

/** Counting needs strace, and the right to attach it: the reason says which of them is missing. */
const skip = whyNoStrace() ?? false;

for (const plain of [true, false]) {
  const kind = plain ? 'plain' : 'TLS';
  test(`system calls of a pair with ${kind} lanes`, { skip, timeout: 60_000 }, async (t) => {
    let sunk = 0;
    const target = await Target.start((socket) => {
      socket.on('data', (data: Buffer) => {
        sunk += data.length;
      });
    });
    t.after(() => target.close());
    const pair = await Pair.start(t, { to: target.address, plain });
    const socket = await pair.connect();
    await push(socket, SIZE / 2);
    await until(
      () => sunk >= SIZE / 2,
      20_000,
      () => 'the first half',
    );

    const traces = await Promise.all([
      Trace.start(t, pair.entry.pid),
      Trace.start(t, pair.exit.pid),
    ]);
    await push(socket, SIZE);
    await until(
      () => sunk >= SIZE * 1.5,
      40_000,
      () => `the rest: ${sunk} bytes so far`,
    );
    for (const trace of traces) {
      const { calls, table } = await trace.stop();
      const perMiB = (calls * MiB) / SIZE;
      t.diagnostic(`${perMiB.toFixed(1)} system calls per MiB`);
      assert.ok(calls > SIZE / (4 * MiB), `too few to be true:\n${table}`);
      assert.ok(perMiB <= most[kind], `${perMiB} system calls per MiB:\n${table}`);
    }
  });
}

test('an entry stays awake for a quick conversation, and for no other', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const target = await Target.start((socket) => void socket.pipe(socket));
  t.after(() => target.close());
  // Under strace all is slow: with so long a window, loopback is quick still.
  const entryArgs = ['--busy-poll', '10ms'];
  const pair = await Pair.start(t, { to: target.address, plain: true, entryArgs });
  const socket = await pair.connect();
  const waitsPerMessage = async (messages: number, pause: number): Promise<number> => {
    const trace = await Trace.start(t, pair.entry.pid);
    for (let message = 0; message < messages; message += 1) {
      socket.write('a message');
      await within(5_000, once(socket, 'data'), 'its answer');
      await setTimeout(pause); // not for something to happen: the pace of this conversation
    }
    const { waits, table } = await trace.stop();
    t.diagnostic(`${(waits / messages).toFixed(1)} waits per message, ${pause} ms apart`);
    assert.ok(waits >= 2 * messages, `too few to be true:\n${table}`);
    return waits / messages;
  };
  const asleep = await waitsPerMessage(40, 50);
  assert.ok(asleep <= 16, `${asleep} waits per message in a slow conversation`);
  let awake = 0;
  // A machine that is busy may make any one of these slow.
  for (let stretch = 0; stretch < 10 && awake < 2 * asleep; stretch += 1) {
    awake = await waitsPerMessage(100, 3);
  }
  assert.ok(awake >= 2 * asleep, `${awake} waits per message in a quick one, ${asleep} in a slow`);
  await waitsPerMessage(20, 50); // until it has found out
  const after = await waitsPerMessage(40, 50);
  assert.ok(after <= 16, `${after} waits per message in a slow conversation after a quick one`);
});

/** strace, counting the calls of a running process and all its threads. */
class Trace {
  readonly #child: ChildProcess;
  #output = '';

  static async start(t: TestContext, pid: number): Promise<Trace> {
    const trace = new Trace(pid);
    t.after(() => trace.#child.kill('SIGKILL'));
    await until(
      () => /attached/.test(trace.#output),
      5_000,
      () => `strace: ${trace.#output}`,
    );
    return trace;
  }

  private constructor(pid: number) {
    this.#child = spawn('strace', ['-c', '-f', '-p', `${pid}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr!.on('data', (data: Buffer) => {
      this.#output += data.toString();
    });
  }

  /** Detaches; all calls of the table that it prints, and those that wait for events or ask for them. */
  async stop(): Promise<{ calls: number; waits: number; table: string }> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGINT');
    await within(10_000, ended, 'the end of strace');
    const table = this.#output.slice(this.#output.indexOf('% time'));
    const total = /^100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total$/m.exec(table);
    const waits = /^\s*\S+\s+\S+\s+\S+\s+(\d+)\s+(?:\d+\s+)?epoll_p?wait$/m.exec(table);
    return { calls: Number(total?.[1] ?? 0), waits: Number(waits?.[1] ?? 0), table };
  }
}

async function push(socket: Socket, bytes: number): Promise<void> {
  const piece = Buffer.alloc(MiB, 'x');
  for (let sent = 0; sent < bytes; sent += piece.length) {
    if (!socket.write(piece)) await once(socket, 'drain');
  }
}

/** Why calls cannot be counted here; null if they can. */
function whyNoStrace(): string | null {
  const probe = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 10_000)']);
  const { error, stderr } = spawnSync('strace', ['-c', '-p', `${probe.pid}`], {
    timeout: 500,
    killSignal: 'SIGINT',
    encoding: 'utf8',
  });
  probe.kill('SIGKILL');
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') {
    return 'strace is not installed (Debian: apt install strace)';
  }
  return /attached/.test(stderr) ? null : `strace may not attach to a process: ${stderr.trim()}`;
}
