import { setTimeout as delay } from 'node:timers/promises';
import type { EmulatedConnection } from '../../src/app/emulator.ts';
import type { Pair } from '../e2e/support/pair.ts';
import type { Random } from '../sim/random.ts';

/** What the machine allows and the user wants. */
export interface FaultOptions {
  /** Starts the proxy of that role anew, where the old one was. Null: proxies are not killed. */
  readonly restart: ((role: 'entry' | 'exit') => Promise<void>) | null;
}

/** A fault, and how often it is chosen among the others. */
interface Fault {
  readonly name: string;
  readonly weight: number;
  inflict(): Promise<void> | void;
}

/** A route keeps between so many lanes. */
const LEAST_LANES = 2;
const MOST_LANES = 8;
/** ms between one fault and the next. */
const SPACING = [300, 3_000] as const;
/** A lane is stalled for so long, ms; a throttled one carries this share of its rate. */
const STALL = [100, 6_000] as const;
const THROTTLE_TIME = [1_000, 5_000] as const;
const THROTTLED = 0.05;
const OUTAGE = [1_000, 5_000] as const;
const STANDSTILL = [1_000, 3_000] as const;

/** Random faults of the lanes between a pair, and of the pair. One at a time, though some last. */
export class Faults {
  /** How often each was inflicted. */
  readonly counts = new Map<string, number>();
  /** The last ones, for the report of a failure. */
  readonly recent: string[] = [];
  /** Since when there is a way for bytes, by `performance.now()`; null while there is none. */
  upSince: number | null = performance.now();
  /** When a proxy was last killed or came back. */
  killedAt = Number.NEGATIVE_INFINITY;
  readonly #pair: Pair;
  readonly #random: Random;
  readonly #rate: (index: number) => number;
  readonly #faults: readonly Fault[];
  readonly #restart: FaultOptions['restart'];
  readonly #impaired = new Set<EmulatedConnection>();
  readonly #repairs = new Set<() => void>();

  /** `rate`: what the emulator's `index`-th connection carries, bytes per second. */
  constructor(pair: Pair, random: Random, rate: (index: number) => number, options: FaultOptions) {
    this.#pair = pair;
    this.#random = random;
    this.#rate = rate;
    this.#restart = options.restart;
    this.#faults = [
      { name: 'stall', weight: 6, inflict: () => this.#stall() },
      { name: 'throttle', weight: 4, inflict: () => this.#throttle() },
      { name: 'lane RST', weight: 5, inflict: () => this.#anyLane()?.kill() },
      { name: 'blackhole', weight: 2, inflict: () => this.#blackhole() },
      { name: 'lane added', weight: 2, inflict: () => this.#addLane() },
      { name: 'lane drained', weight: 2, inflict: () => this.#endLane('drain') },
      { name: 'lane removed', weight: 1, inflict: () => this.#endLane('remove') },
      { name: 'all lanes lost', weight: 2, inflict: () => this.#loseAll() },
      { name: 'entry stopped', weight: 1, inflict: () => this.#stop('entry') },
      { name: 'exit stopped', weight: 1, inflict: () => this.#stop('exit') },
      { name: 'entry killed', weight: 0.5, inflict: () => this.#kill('entry') },
      { name: 'exit killed', weight: 0.5, inflict: () => this.#kill('exit') },
    ];
  }

  /** Until `signal`; then all is repaired. */
  async run(signal: AbortSignal): Promise<void> {
    const possible = this.#faults.filter(({ name }) => this.#restart || !name.endsWith('killed'));
    while (!signal.aborted) {
      await delay(this.#random.between(...SPACING), undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
      const fault = this.#pick(possible);
      this.counts.set(fault.name, (this.counts.get(fault.name) ?? 0) + 1);
      this.recent.push(fault.name);
      if (this.recent.length > 20) this.recent.shift();
      await fault.inflict();
    }
    for (const repair of this.#repairs) repair();
  }

  #pick(faults: readonly Fault[]): Fault {
    let at = this.#random.next() * faults.reduce((sum, { weight }) => sum + weight, 0);
    for (const fault of faults) {
      at -= fault.weight;
      if (at < 0) return fault;
    }
    return faults[0]!;
  }

  /** One that is in order, while another is, too: or bytes would have no way. */
  #anyLane(): EmulatedConnection | undefined {
    const sound = this.#pair.emulator.connections.filter((lane) => !this.#impaired.has(lane));
    return sound.length < 2 ? undefined : this.#random.pick(sound);
  }

  #stall(): void {
    const lane = this.#anyLane();
    if (lane === undefined) return;
    const direction = this.#random.pick(['up', 'down', 'both'] as const);
    lane.stall(Number.POSITIVE_INFINITY, direction);
    this.#impair(lane, this.#random.between(...STALL), () => lane.release());
  }

  #throttle(): void {
    const lane = this.#anyLane();
    if (lane === undefined) return;
    const rate = this.#rate(lane.index);
    lane.throttle(rate * THROTTLED);
    this.#impair(lane, this.#random.between(...THROTTLE_TIME), () => lane.throttle(rate));
  }

  #blackhole(): void {
    const lane = this.#anyLane();
    if (lane === undefined) return;
    this.#impaired.add(lane);
    lane.blackhole();
  }

  /** Does not wait for the repair. */
  #impair(lane: EmulatedConnection, time: number, repair: () => void): void {
    this.#impaired.add(lane);
    const end = (): void => {
      clearTimeout(timer);
      this.#repairs.delete(end);
      this.#impaired.delete(lane);
      repair();
    };
    const timer = setTimeout(end, time);
    this.#repairs.add(end);
  }

  async #addLane(): Promise<void> {
    const { lanes } = await this.#pair.session();
    if (lanes.length < MOST_LANES) await this.#order('add');
  }

  async #endLane(verb: 'drain' | 'remove'): Promise<void> {
    const { lanes } = await this.#pair.session();
    const up = lanes.filter(({ state }) => state === 'up');
    if (up.length > LEAST_LANES) await this.#order(`${this.#random.pick(up).id}/${verb}`);
  }

  /** An order that comes too late, for a lane that has just died, is answered with 409. */
  async #order(what: string): Promise<void> {
    const url = `http://${this.#pair.entry.admin}/api/v1/lanes/${what}`;
    const { status } = await fetch(url, { method: 'POST', headers: { connection: 'close' } });
    if (status !== 200 && status !== 409) throw new Error(`${url} was answered with ${status}`);
  }

  async #loseAll(): Promise<void> {
    const { emulator } = this.#pair;
    await this.#outage(async () => {
      emulator.refuse();
      for (const lane of emulator.connections) lane.kill();
      await delay(this.#random.between(...OUTAGE));
      await emulator.accept();
    });
  }

  async #stop(role: 'entry' | 'exit'): Promise<void> {
    const proxy = this.#pair[role];
    await this.#outage(async () => {
      proxy.signal('SIGSTOP');
      await delay(this.#random.between(...STANDSTILL));
      proxy.signal('SIGCONT');
    });
  }

  async #kill(role: 'entry' | 'exit'): Promise<void> {
    await this.#outage(async () => {
      this.killedAt = performance.now();
      await this.#pair[role].kill();
      await this.#restart!(role);
      this.killedAt = performance.now();
    });
  }

  async #outage(work: () => Promise<void>): Promise<void> {
    this.upSince = null;
    await work();
    this.upSince = performance.now();
  }
}
