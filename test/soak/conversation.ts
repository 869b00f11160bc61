import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Pattern } from '../e2e/support/traffic.ts';
import type { Random } from '../sim/random.ts';

/** Bytes that one write carries. */
const PIECE = 64 * 1024;
const MESSAGE = 100;
/** ms between messages. */
const MESSAGE_SPACING = 50;
/** How long a slow reader rests, ms. */
const REST = [100, 1_500] as const;

/** Bytes came that were never sent: never to be excused. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes';
}

/** One connection of an application, both of its ends being here. */
export class Conversation {
  readonly name: string;
  readonly near: Socket;
  readonly far: Promise<Socket>;
  readonly startedAt = performance.now();
  /** For how long nothing has arrived though there was a way, ms: counted by whoever knows. */
  stoodStill = 0;
  receivedBytes = 0;
  #onFar: (far: Socket) => void = () => {};
  #onFailure: (error: Error) => void = () => {};

  constructor(name: string, near: Socket) {
    this.name = name;
    this.near = near;
    this.far = new Promise((resolve, reject) => {
      this.#onFar = resolve;
      this.#onFailure = reject;
      near.once('error', reject);
      near.once('close', () => reject(new Error('closed before it reached the target')));
    });
    this.far.catch(() => {});
  }

  arrived(far: Socket): void {
    this.stoodStill = 0;
    this.#onFar(far);
  }

  /** Ends it without ceremony: whoever waits for it hears `error`. */
  abandon(error: Error): void {
    this.#onFailure(error);
    this.near.destroy(error);
    this.far.then((far) => far.destroy(error)).catch(() => {});
  }

  moved(bytes: number): void {
    this.stoodStill = 0;
    this.receivedBytes += bytes;
  }
}

/** What one connection carries. Bytes. */
export interface TransferPlan {
  readonly up: number;
  readonly down: number;
  readonly seed: number;
  /** The target answers only after the end of what it was sent. */
  readonly isReply: boolean;
  /** The near end rests now and then instead of reading. */
  readonly rests: Random | null;
}

/** Sends and checks both directions, each to its end. @throws {WrongBytes} or what the sockets say */
export async function transfer(conversation: Conversation, plan: TransferPlan): Promise<void> {
  const { near } = conversation;
  const [up, down] = [plan.seed, plan.seed + 1];
  const answered = receive(conversation, near, plan.down, down, plan.rests);
  const sent = send(near, plan.up, up);
  const served = conversation.far.then(async (far) => {
    const asked = receive(conversation, far, plan.up, up, null);
    if (plan.isReply) await asked;
    await Promise.all([asked, send(far, plan.down, down)]);
  });
  await Promise.all([answered, sent, served]);
}

/** Messages that the target sends back, for `time` ms. @returns how long each took, ms */
export async function messages(
  conversation: Conversation,
  seed: number,
  time: number,
): Promise<number[]> {
  const { near } = conversation;
  const sentAt: number[] = [];
  const times: number[] = [];
  const pattern = new Pattern(seed);
  const far = await conversation.far;
  far.on('data', (bytes: Buffer) => {
    conversation.moved(0);
    far.write(bytes);
  });
  far.once('end', () => far.end());
  let received = 0;
  const answered = new Promise<void>((resolve, reject) => {
    near.on('data', (bytes: Buffer) => {
      if (!pattern.take(bytes.length).equals(bytes)) {
        near.destroy(new WrongBytes(`a message came back wrong, after ${received} bytes`));
      }
      received += bytes.length;
      conversation.moved(bytes.length);
      while (times.length < Math.floor(received / MESSAGE)) {
        times.push(performance.now() - sentAt[times.length]!);
      }
    });
    near.once('end', resolve);
    near.once('error', reject);
    near.once('close', () => reject(new Error('closed before its end')));
    far.once('error', reject);
  });
  answered.catch(() => {});
  const said = new Pattern(seed);
  const end = performance.now() + time;
  while (performance.now() < end && !near.destroyed) {
    sentAt.push(performance.now());
    near.write(said.take(MESSAGE));
    await delay(MESSAGE_SPACING);
  }
  near.end();
  await answered;
  if (received !== sentAt.length * MESSAGE) {
    throw new Error(`${received} bytes of messages came back, not ${sentAt.length * MESSAGE}`);
  }
  return times;
}

async function send(socket: Socket, bytes: number, seed: number): Promise<void> {
  const pattern = new Pattern(seed);
  for (let left = bytes; left > 0; left -= PIECE) {
    if (!socket.write(pattern.take(Math.min(left, PIECE)))) await drained(socket);
    if (socket.destroyed) throw new Error(`closed with ${left} of ${bytes} bytes to send`);
  }
  socket.end();
}

async function drained(socket: Socket): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  try {
    await Promise.race([once(socket, 'drain', { signal }), once(socket, 'close', { signal })]);
  } finally {
    stop.abort();
  }
}

/** Reads to the end, and checks every byte and their number. */
async function receive(
  conversation: Conversation,
  socket: Socket,
  bytes: number,
  seed: number,
  rests: Random | null,
): Promise<void> {
  const pattern = new Pattern(seed);
  let received = 0;
  await new Promise<void>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    socket.on('data', (piece: Buffer) => {
      if (!pattern.take(piece.length).equals(piece)) {
        socket.destroy(new WrongBytes(`wrong bytes after ${received} of ${bytes}`));
      }
      received += piece.length;
      conversation.moved(piece.length);
      if (!rests?.chance(0.05)) return;
      socket.pause();
      timer = setTimeout(() => socket.resume(), rests.between(...REST));
    });
    socket.once('end', () => {
      conversation.moved(0);
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error(`closed after ${received} of ${bytes} bytes`));
    });
  });
  // The kernel may end, in good order, the connections of a process that is killed.
  if (received < bytes) throw new Error(`the end came after ${received} of ${bytes} bytes`);
  if (received > bytes) throw new WrongBytes(`${received} bytes came, not ${bytes}`);
}
