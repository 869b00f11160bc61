import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pair } from '../e2e/support/pair.ts';
import type { Random } from '../sim/random.ts';
import { Conversation, messages, type TransferPlan, transfer } from './conversation.ts';

const KiB = 1024;
const MiB = 1024 * 1024;
/** ms for which one connection carries messages. */
const MESSAGES_TIME = [5_000, 20_000] as const;
/** ms after a connection that failed. */
const PAUSE_AFTER_FAILURE = 250;
/** Bytes of the number by which the two ends of a connection find each other. */
const NUMBER_BYTES = 4;

/** What kinds of connections there are, each with a plan for the next. */
const kinds: Readonly<Record<string, (random: Random) => Omit<TransferPlan, 'seed'>>> = {
  'bulk up': (random) => one({ up: random.int(64 * KiB, 8 * MiB) }),
  'bulk down': (random) => one({ down: random.int(64 * KiB, 8 * MiB) }),
  'both ways': (random) => one({ up: random.int(1, 2 * MiB), down: random.int(1, 2 * MiB) }),
  'half-close': (random) =>
    one({ up: random.int(0, MiB), down: random.int(0, MiB), isReply: true }),
  'slow reader': (random) => one({ down: random.int(MiB, 4 * MiB), rests: random.fork() }),
  short: (random) => one({ up: random.int(0, 20 * KiB), down: random.int(0, 20 * KiB) }),
};
const SHORT_AT_ONCE = 3;

/** Checked connections of several kinds, one after the other of each, through a pair to its target. */
export class Traffic {
  readonly live = new Set<Conversation>();
  /** ms, of all messages. */
  readonly messageTimes: number[] = [];
  /** Connections that came to their end, by kind. */
  readonly finished = new Map<string, number>();
  /** Bytes that arrived, both directions of connections that are over. */
  #pastBytes = 0;
  readonly #pair: Pair;
  readonly #random: Random;
  readonly #onFailure: (conversation: Conversation, error: Error) => void;
  readonly #waiting = new Map<number, Conversation>();
  #numbers = 0;

  /** `onFailure` hears of each connection that did not end as it should. */
  constructor(
    pair: Pair,
    random: Random,
    onFailure: (conversation: Conversation, error: Error) => void,
  ) {
    this.#pair = pair;
    this.#random = random;
    this.#onFailure = onFailure;
  }

  get bytes(): number {
    let sum = this.#pastBytes;
    for (const { receivedBytes } of this.live) sum += receivedBytes;
    return sum;
  }

  /** Starts connections until `signal`, and lets those that are open end. */
  async run(signal: AbortSignal): Promise<void> {
    const workers = Object.entries(kinds).flatMap(([name, plan]) => {
      const count = name === 'short' ? SHORT_AT_ONCE : 1;
      return Array.from({ length: count }, () => {
        const random = this.#random.fork();
        return this.#repeat(signal, name, async (conversation) => {
          await transfer(conversation, { ...plan(random), seed: random.int(0, 0x7fff_ffff) });
        });
      });
    });
    const random = this.#random.fork();
    const talk = this.#repeat(signal, 'messages', async (conversation) => {
      const time = random.between(...MESSAGES_TIME);
      const times = await messages(conversation, random.int(0, 0x7fff_ffff), time);
      for (const one of times) this.messageTimes.push(one);
    });
    await Promise.all([...workers, talk]);
  }

  /** A connection has reached the target. */
  accept(far: Socket): void {
    const onReadable = (): void => {
      const bytes: Buffer | null = far.read(NUMBER_BYTES);
      if (bytes === null) return;
      far.off('readable', onReadable);
      const number = bytes.readUInt32BE();
      const conversation = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (conversation === undefined) far.destroy();
      else conversation.arrived(far);
    };
    far.on('readable', onReadable);
  }

  async #repeat(
    signal: AbortSignal,
    name: string,
    work: (conversation: Conversation) => Promise<void>,
  ): Promise<void> {
    while (!signal.aborted) {
      const number = this.#numbers++;
      const near = this.#pair.dial();
      const conversation = new Conversation(name, near);
      this.live.add(conversation);
      this.#waiting.set(number, conversation);
      const bytes = Buffer.alloc(NUMBER_BYTES);
      bytes.writeUInt32BE(number);
      near.write(bytes);
      try {
        await work(conversation);
        this.finished.set(name, (this.finished.get(name) ?? 0) + 1);
      } catch (error) {
        this.#onFailure(conversation, error as Error);
        conversation.abandon(error as Error);
        await delay(PAUSE_AFTER_FAILURE);
      }
      this.#waiting.delete(number);
      this.live.delete(conversation);
      this.#pastBytes += conversation.receivedBytes;
    }
  }
}

function one(plan: Partial<TransferPlan>): Omit<TransferPlan, 'seed'> {
  return { up: 0, down: 0, isReply: false, rests: null, ...plan };
}
