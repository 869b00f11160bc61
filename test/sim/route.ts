import type { VirtualClock } from '../../src/loop/virtual-clock.ts';
import type { Endpoint } from './endpoint.ts';
import { LanePair, type RouteParameters } from './lane-pair.ts';
import type { Memory } from './memory.ts';
import type { Random } from './random.ts';

export interface RouteContext {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly memory: Memory;
  readonly entry: Endpoint;
  readonly exit: Endpoint;
  /** ms; null: never. */
  readonly redialAfter: number | null;
  nextLaneId(): number;
  trace(what: () => string): void;
}

/**
 * A way between the two proxies, on which the entry keeps one lane up. What befalls the way (stall,
 * throttle) befalls every lane on it.
 */
export class Route {
  readonly index: number;
  readonly parameters: RouteParameters;
  /** The lane that is up, or the last one. */
  pair: LanePair | null = null;
  laneId = 0;
  readonly #context: RouteContext;
  #isDialling = false;
  /** Reasons why nothing passes. */
  readonly #holds = { up: 0, down: 0, dial: 0 };
  #factor = 1;
  readonly #pairs = new Set<LanePair>();

  constructor(index: number, parameters: RouteParameters, context: RouteContext) {
    this.index = index;
    this.parameters = parameters;
    this.#context = context;
  }

  /** A connect, a HELLO and its answer: the exit has its lane after 1.5 round trips, the entry after 2. */
  dial(after: number): void {
    if (this.#isDialling) return;
    this.#isDialling = true;
    const { clock } = this.#context;
    clock.at(clock.now() + after, () => this.#tryDial());
  }

  /** True while a lane is up at both ends and the way is open. */
  get isUp(): boolean {
    return this.isPassing && this.pair?.isWhole === true;
  }

  get isPassing(): boolean {
    return this.#holds.up === 0 && this.#holds.down === 0;
  }

  hold(direction: 'both' | 'up' | 'down'): void {
    if (direction !== 'down') this.#holds.up += 1;
    if (direction !== 'up') this.#holds.down += 1;
    this.#applyHolds();
  }

  release(direction: 'both' | 'up' | 'down'): void {
    if (direction !== 'down') this.#holds.up -= 1;
    if (direction !== 'up') this.#holds.down -= 1;
    this.#applyHolds();
  }

  /** Forbids dialling, or allows it again. */
  forbid(isForbidden: boolean): void {
    this.#holds.dial += isForbidden ? 1 : -1;
  }

  /** Rates are this share of the planned ones from now on. */
  throttle(factor: number): void {
    this.#factor *= factor;
    for (const pair of this.#pairs) this.#applyRate(pair);
  }

  /** The lane breaks in mid-byte. `seenBy` notices at once, the other end after `otherAfter` ms or never. */
  break(seenBy: 'both' | 'entry' | 'exit', otherAfter: number | null): void {
    const pair = this.pair;
    if (pair === null) return;
    pair.cut();
    if (seenBy !== 'exit') pair.entry.fail('the lane broke');
    if (seenBy !== 'entry') pair.exit.fail('the lane broke');
    if (seenBy === 'both' || otherAfter === null) return;
    const { clock } = this.#context;
    const other = seenBy === 'entry' ? pair.exit : pair.entry;
    clock.at(clock.now() + otherAfter, () => other.fail('the lane broke, late news'));
  }

  /** The entry's end of a lane is gone. */
  onEntryLost(): void {
    const { redialAfter } = this.#context;
    if (redialAfter !== null) this.dial(redialAfter);
  }

  /** Bytes that have arrived on all lanes of this way. */
  arrived(direction: 'up' | 'down'): number {
    let sum = 0;
    for (const pair of this.#pairs) sum += pair[direction].arrivedBytes;
    return sum;
  }

  /** The network is switched off: what it holds is gone. */
  clear(): void {
    for (const pair of this.#pairs) pair.cut();
  }

  #tryDial(): void {
    const { clock, entry, exit } = this.#context;
    if (entry.session.isClosed || exit.session.isClosed) return;
    if (!this.isPassing || this.#holds.dial > 0) {
      clock.at(clock.now() + RETRY, () => this.#tryDial());
      return;
    }
    const { random, memory, nextLaneId, trace } = this.#context;
    const clocks = { entry: entry.clock, exit: exit.clock };
    const pair = new LanePair(clock, random.fork(), memory, this.parameters, clocks);
    this.#pairs.add(pair);
    this.pair = pair;
    this.#applyRate(pair);
    const id = nextLaneId();
    this.laneId = id;
    const rtt = this.parameters.up.delay + this.parameters.down.delay;
    trace(() => `route ${this.index}: dials lane ${id}`);
    clock.at(clock.now() + 1.5 * rtt, () => {
      exit.clock.input(() => {
        if (exit.session.isClosed || pair.exit.isOver) pair.entry.fail('refused');
        else exit.trunk.addLane(id, pair.exit, null);
      });
    });
    clock.at(clock.now() + 2 * rtt, () => {
      this.#isDialling = false;
      entry.clock.input(() => {
        if (entry.session.isClosed) pair.entry.abort();
        else if (pair.entry.isOver) this.onEntryLost();
        else entry.trunk.addLane(id, pair.entry, null);
      });
    });
  }

  #applyHolds(): void {
    for (const pair of this.#pairs) {
      if (this.#holds.up > 0) pair.up.hold();
      else pair.up.release();
      if (this.#holds.down > 0) pair.down.hold();
      else pair.down.release();
    }
  }

  #applyRate(pair: LanePair): void {
    pair.up.setRate(this.parameters.up.rate * this.#factor);
    pair.down.setRate(this.parameters.down.rate * this.#factor);
  }
}

/** Between attempts to dial while nothing passes, ms. */
const RETRY = 200;
