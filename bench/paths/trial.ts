import { setTimeout as delay } from 'node:timers/promises';
import { Bulk } from '../../test/e2e/support/bulk.ts';
import { FarPair } from '../../test/e2e/support/far-pair.ts';
import { Messages } from '../../test/e2e/support/messages.ts';
import { quantile } from '../../test/e2e/support/numbers.ts';
import type { Emulator } from './emulator.ts';
import type { Scenario } from './scenario.ts';

/** A span of `performance.now()`. */
export interface Span {
  readonly from: number;
  readonly until: number;
}

/** One run of a scenario: a fresh pair, and bulk from the entry to the exit. */
export class Trial {
  readonly emulator: Emulator;
  readonly bulk: Bulk;
  /** The caps together, bytes of TCP payload per second. */
  readonly capacity: number;
  readonly pair: FarPair;
  readonly #lanes: number;
  #messages: Messages | null = null;
  #plain: Bulk[] = [];

  static async start(emulator: Emulator, scenario: Scenario): Promise<Trial> {
    const { lanes, paths, withPlain = false } = scenario;
    const from = paths.length > 1 ? emulator.from(paths.length) : [];
    const pair = await FarPair.start(emulator, { lanes, from, withPlain });
    try {
      return new Trial(emulator, scenario, pair, new Bulk(...(await pair.join())));
    } catch (error) {
      await pair.stop();
      throw error;
    }
  }

  private constructor(emulator: Emulator, scenario: Scenario, pair: FarPair, bulk: Bulk) {
    this.emulator = emulator;
    this.bulk = bulk;
    this.capacity = payloadRate(scenario.caps);
    this.pair = pair;
    this.#lanes = scenario.lanes;
  }

  async startMessages(): Promise<void> {
    this.#messages = new Messages(...(await this.pair.join()), MESSAGE_EVERY);
  }

  /** As many plain TCP connections as there are lanes, beside them. */
  async startPlain(): Promise<void> {
    while (this.#plain.length < this.#lanes) {
      this.#plain.push(new Bulk(...(await this.pair.joinPlain())));
    }
  }

  /** Bytes per second of all plain connections. */
  plainRate({ from, until }: Span): number {
    return this.#plain.reduce((sum, one) => sum + one.rate(from, until), 0);
  }

  rate({ from, until }: Span): number {
    return this.bulk.rate(from, until);
  }

  /** Lets `ms` pass; the 99th of 100 messages that came in it, one way, ms. */
  async messageTail(ms: number): Promise<number> {
    const first = this.#messages!.times.length;
    await delay(ms);
    return quantile(this.#messages!.times.slice(first), 0.99);
  }

  /** Bytes that came twice, of all that came. */
  async duplicates(): Promise<number> {
    const { duplicateBytes, receivedPayloadBytes } = await this.pair.session('exit');
    return duplicateBytes / Math.max(1, receivedPayloadBytes);
  }

  hasAllLanes(): Promise<void> {
    return this.pair.hasLanes(this.#lanes, 30_000);
  }

  /** Stops the traffic, and waits until every byte has arrived. */
  async finish(): Promise<void> {
    this.#messages?.stop();
    for (const one of this.#plain) one.destroy();
    await this.bulk.stop();
  }

  async close(): Promise<void> {
    this.#messages?.stop();
    for (const one of this.#plain) one.destroy();
    this.bulk.destroy();
    await this.pair.stop();
  }
}

/** Lets `ms` pass. */
export async function span(ms: number): Promise<Span> {
  const from = performance.now();
  await delay(ms);
  return { from, until: performance.now() };
}

/** Bytes of TCP payload per second in full packets, of a rate in Mbit/s that counts IP bytes. */
export function payloadRate(megabits: number): number {
  return ((megabits * 1e6) / 8) * (1448 / 1500);
}

/** ms. */
const MESSAGE_EVERY = 20;
