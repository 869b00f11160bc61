import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { MiB, quantile } from '../e2e/support/numbers.ts';
import { Pair, type PairOptions, startEntry, startExit } from '../e2e/support/pair.ts';
import { Target } from '../e2e/support/target.ts';
import { until } from '../e2e/support/wait.ts';
import { Random } from '../sim/random.ts';
import { type Conversation, WrongBytes } from './conversation.ts';
import { Faults } from './faults.ts';
import { MemoryWatch } from './memory-watch.ts';
import { Traffic } from './traffic.ts';

export interface SoakOptions {
  /** How long faults and traffic go on, ms. What is open then gets a minute more. */
  readonly time: number;
  readonly seed: number;
  /** Proxies are killed and started anew, too: that ends connections, which is excused then. */
  readonly kills: boolean;
  /** Hears a line every 10 s. */
  readonly onLine: (line: string) => void;
}

export interface SoakResult {
  /** What went wrong; nothing, if all is well. */
  readonly failures: readonly string[];
  /** What there is to tell, by name. */
  readonly facts: readonly (readonly [name: string, value: string])[];
}

const ROLES = ['entry', 'exit'] as const;
const LANES = 4;
/** Bytes per second and ms one way, by the number of a connection of the emulator. */
const RATES = [1_000_000, 2_000_000, 2_000_000, 4_000_000];
const DELAYS = [5, 20, 10, 40];
/** A connection that has not moved for this long, outages not counted, is stuck, ms. */
const STUCK = 20_000;
/** Lanes may take so long to come back after an outage, ms. */
const RETURN = 2_000;
/** Connections that are cut short are excused until so long after a proxy came back, ms. */
const EXCUSED = 5_000;
/** Longer than an outage, and what is left of a killed peer is kept no longer. */
const RESUME = '20s';
const END_LIMIT = 25_000;
const LINE_EVERY = 10_000;
const SAMPLE_EVERY = 1_000;
/** What is open at the end may take so long to end, ms. */
const DRAIN_LIMIT = 60_000;
/** More failures than this say nothing new. */
const MOST_FAILURES = 10;

/**
 * Two real proxies, the emulator between them, random faults, and connections of all kinds of which
 * every byte is checked. Ends at the first failure.
 */
export class Soak {
  readonly #options: SoakOptions;
  readonly #pair: Pair;
  readonly #faults: Faults;
  readonly #traffic: Traffic;
  readonly #watches = new Map<'entry' | 'exit', MemoryWatch>();
  readonly #oldWatches: MemoryWatch[] = [];
  readonly #failures: string[] = [];
  readonly #stop = new AbortController();
  readonly #start = performance.now();
  #excused = 0;

  /** @throws if the pair does not come up */
  static async run(options: SoakOptions): Promise<SoakResult> {
    const cleanup: (() => unknown)[] = [];
    const scope = { after: (fn: () => unknown) => void cleanup.push(fn) };
    try {
      let accept = (far: Socket): void => void far.destroy();
      const target = await Target.start((far) => accept(far));
      scope.after(() => target.close());
      const pairOptions: PairOptions = {
        to: target.address,
        lanes: LANES,
        entryArgs: ['--resume', RESUME],
        exitArgs: ['--resume', RESUME],
        path: (index) => {
          const link = { rate: rateOf(index), delay: DELAYS[index % DELAYS.length]! };
          return { up: link, down: link };
        },
      };
      const pair = await Pair.start(scope, pairOptions);
      const soak = new Soak(options, pair, pairOptions);
      accept = (far) => soak.#traffic.accept(far);
      return await soak.#run();
    } finally {
      for (const fn of cleanup.reverse()) await fn();
    }
  }

  private constructor(options: SoakOptions, pair: Pair, pairOptions: PairOptions) {
    this.#options = options;
    this.#pair = pair;
    const random = new Random(options.seed);
    const restart = async (role: 'entry' | 'exit'): Promise<void> => {
      const listen = pair[role].listen;
      pair[role] = await (role === 'exit'
        ? startExit({ ...pairOptions, exitListen: listen })
        : startEntry({ ...pairOptions, entryListen: listen }, pair.emulator.address.port));
      this.#watch(role);
    };
    this.#faults = new Faults(pair, random.fork(), rateOf, {
      restart: options.kills ? restart : null,
    });
    this.#traffic = new Traffic(pair, random.fork(), (conversation, error) =>
      this.#onFailure(conversation, error),
    );
    for (const role of ROLES) this.#watch(role);
  }

  async #run(): Promise<SoakResult> {
    const { signal } = this.#stop;
    const sockets = await this.#spareSockets();
    const lines = setInterval(() => this.#options.onLine(this.#line()), LINE_EVERY);
    const samples = setInterval(() => this.#look(), SAMPLE_EVERY);
    try {
      const faults = this.#faults.run(signal).catch((error: unknown) => this.#fail(String(error)));
      const traffic = this.#traffic.run(signal);
      await delay(this.#options.time, undefined, { signal }).catch(() => {});
      this.#stop.abort();
      await faults;
      await this.#drain(traffic);
      if (this.#failures.length === 0) await this.#verifyEnd(sockets);
    } finally {
      clearInterval(lines);
      clearInterval(samples);
    }
    return { failures: this.#failures, facts: this.#facts() };
  }

  #watch(role: 'entry' | 'exit'): void {
    const old = this.#watches.get(role);
    if (old !== undefined) this.#oldWatches.push(old);
    this.#watches.set(role, new MemoryWatch(this.#pair[role]));
  }

  /** Called every second. */
  #look(): void {
    for (const watch of this.#watches.values()) watch.sample();
    const { upSince } = this.#faults;
    const now = performance.now();
    if (upSince === null || now - upSince < RETURN) return;
    for (const conversation of this.#traffic.live) {
      conversation.stoodStill += SAMPLE_EVERY;
      const { startedAt, stoodStill } = conversation;
      if (stoodStill < STUCK) continue;
      const how = `open for ${ms(now - startedAt)}, nothing has moved for ${ms(stoodStill)}`;
      // Whoever reports the failure knows whether to excuse it.
      conversation.abandon(new Error(how));
    }
    for (const role of ROLES) {
      if (!this.#pair[role].isRunning) this.#fail(`the ${role} has ended by itself`);
    }
  }

  #onFailure(conversation: Conversation, error: Error): void {
    const { killedAt } = this.#faults;
    const wasKilled = killedAt + EXCUSED >= conversation.startedAt;
    if (wasKilled && !(error instanceof WrongBytes)) this.#excused += 1;
    else this.#fail(`${conversation.name}: ${error.message}`);
  }

  #fail(what: string): void {
    // What is cut off after the first failure fails, too.
    if (this.#stop.signal.aborted && this.#failures.length > 0) return;
    if (this.#failures.length < MOST_FAILURES) {
      const at = ms(performance.now() - this.#start);
      this.#failures.push(
        `after ${at}: ${what}; the last faults: ${this.#faults.recent.join(', ')}`,
      );
    }
    this.#stop.abort();
  }

  async #drain(traffic: Promise<void>): Promise<void> {
    const limit = this.#failures.length === 0 ? DRAIN_LIMIT : 0;
    const timer = setTimeout(() => {
      const names = [...this.#traffic.live].map(({ name }) => name);
      this.#fail(`${names.length} connections did not end: ${names.join(', ')}`);
      for (const one of this.#traffic.live) one.abandon(new Error('cut off at the end'));
    }, limit);
    await traffic;
    clearTimeout(timer);
  }

  /** Sockets of each proxy that are no lane's. */
  async #spareSockets(): Promise<Record<'entry' | 'exit', number>> {
    const spare = { entry: 0, exit: 0 };
    for (const role of ROLES) {
      const { sessions } = await this.#pair[role].status();
      const lanes = sessions.reduce((sum, session) => sum + session.lanes.length, 0);
      spare[role] = this.#pair[role].sockets - lanes;
    }
    return spare;
  }

  /** Nothing is left of what was carried, and memory is flat. */
  async #verifyEnd(before: Readonly<Record<'entry' | 'exit', number>>): Promise<void> {
    const expect = async (what: string, ask: () => Promise<boolean>): Promise<void> => {
      await until(ask, END_LIMIT, () => what).catch((error: Error) => this.#fail(error.message));
    };
    for (const role of ROLES) {
      await expect(`the ${role} has no channel and holds no byte`, async () => {
        const { sessions, memory } = await this.#pair[role].status();
        const active = sessions.reduce((sum, { channels }) => sum + channels.active, 0);
        return active + memory.sendBytes + memory.receiveBytes === 0;
      });
      await expect(`the ${role} has ${before[role]} sockets besides its lanes`, async () => {
        return (await this.#spareSockets())[role] <= before[role];
      });
    }
    await expect(
      'the entry is ready',
      async () => (await this.#pair.entry.readiness()).status === 200,
    );
    for (const watch of [...this.#watches.values(), ...this.#oldWatches]) {
      const { quarters, isFlat } = watch;
      if (!isFlat)
        this.#fail(`memory grew from ${mib(quarters!.second)} to ${mib(quarters!.last)}`);
    }
  }

  #line(): string {
    const { live, bytes, finished } = this.#traffic;
    const done = [...finished.values()].reduce((sum, count) => sum + count, 0);
    const faults = [...this.#faults.counts.values()].reduce((sum, count) => sum + count, 0);
    const memory = ROLES.map((role) => mib(this.#watches.get(role)!.last)).join(' and ');
    return [
      `${((performance.now() - this.#start) / 1000).toFixed(0)} s`,
      `${mib(bytes)} checked`,
      `${done} connections, ${live.size} open`,
      `${faults} faults`,
      `memory ${memory}`,
    ].join('; ');
  }

  #facts(): SoakResult['facts'] {
    const { messageTimes, finished, bytes } = this.#traffic;
    const times = (q: number): string =>
      messageTimes.length === 0 ? '-' : ms(quantile(messageTimes, q));
    const listed = (counts: ReadonlyMap<string, number>): string =>
      [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
    const memory = ROLES.map((role) => {
      const quarters = this.#watches.get(role)!.quarters;
      if (quarters === null) return [`memory of the ${role}`, 'too few samples'] as const;
      return [
        `memory of the ${role}`,
        `${mib(quarters.second)}, then ${mib(quarters.last)}`,
      ] as const;
    });
    return [
      ['seed', String(this.#options.seed)],
      ['time', ms(performance.now() - this.#start)],
      ['bytes checked', mib(bytes)],
      ['connections', listed(finished)],
      ['faults', listed(this.#faults.counts)],
      ['cut short by kills', String(this.#excused)],
      [
        'messages',
        `${messageTimes.length}; p50 ${times(0.5)}, p99 ${times(0.99)}, longest ${times(1)}`,
      ],
      ...memory,
    ];
  }
}

function rateOf(index: number): number {
  return RATES[index % RATES.length]!;
}

function ms(time: number): string {
  return time < 10_000 ? `${time.toFixed(0)} ms` : `${(time / 1000).toFixed(0)} s`;
}

function mib(bytes: number): string {
  return `${(bytes / MiB).toFixed(0)} MiB`;
}
