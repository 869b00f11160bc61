import { Chunk } from '../core/chunk.ts';
import type { Clock } from '../loop/clock.ts';
import {
  CHALLENGE_BYTES,
  commonVersion,
  decodeHello,
  decodeReply,
  encodeHello,
  encodeReply,
  GREETING_BYTES,
  type HandshakeCrypto,
  HandshakeError,
  HandshakeKeys,
  type Hello,
  HelloKind,
  handshakeLength,
  hasMagic,
  NONCE_BYTES,
  plainGreeting,
  type Reply,
  ReplyStatus,
  SESSION_ID_BYTES,
  type Settings,
  VERSION,
} from '../protocol/handshake.ts';
import { Exchange, ExchangeFailed } from './exchange.ts';
import type { Pipe } from './pipe.ts';

export interface LaneCrypto extends HandshakeCrypto {
  randomBytes(length: number): Uint8Array;
}

/** How this end shakes hands. */
export interface HandshakeOptions {
  readonly key: Uint8Array;
  /** 32 bytes of the TLS channel under the lane; null on a plain lane. */
  readonly binding: Uint8Array | null;
  readonly crypto: LaneCrypto;
  readonly clock: Clock;
  /** For the whole handshake, ms. */
  readonly timeout: number;
  /** Ends it before that. */
  readonly signal?: AbortSignal;
  readonly settings: Settings;
  /** The entry's: u32, the same for all lanes of a session; goes with the greeting of a plain lane. */
  readonly affinity?: number;
  /** Bytes of the peer's that were read from the pipe before. */
  readonly head?: Uint8Array;
}

/** A session as the handshake knows it. */
export interface SessionTicket {
  readonly id: Uint8Array;
  readonly key: Uint8Array;
}

/** The pipe is a lane now, paused; `early` are frames that arrived with the handshake. */
export interface Joined {
  readonly ticket: SessionTicket;
  readonly lane: number;
  readonly peer: Settings;
  readonly early: Chunk | null;
}

/** Why an exit did not take a lane: in its own words, or in ours about it. */
export class LaneRefused extends Error {
  override readonly name = 'LaneRefused';
  readonly status: ReplyStatus;

  constructor(status: ReplyStatus, message: string) {
    super(message);
    this.status = status;
  }

  get isSessionUnknown(): boolean {
    return this.status === ReplyStatus.UNKNOWN_SESSION;
  }
}

const advice: Record<ReplyStatus, string> = {
  [ReplyStatus.OK]: 'the exit is fine',
  [ReplyStatus.BAD_VERSION]:
    'entry and exit speak different versions of the protocol: update the older one',
  [ReplyStatus.BAD_KEY]: 'wrong key: entry and exit must use the same key',
  [ReplyStatus.UNKNOWN_SESSION]:
    'the exit does not know the session: it was restarted, or the session timed out',
  [ReplyStatus.BUSY]: 'the exit has too many sessions or lanes, or too little --memory for another',
  [ReplyStatus.GOING_AWAY]: 'the exit is shutting down',
  [ReplyStatus.BAD_HELLO]:
    'the exit did not understand this entry: check that both run the same version',
};

/**
 * The entry's side: makes a session (`ticket` null) or joins one, as lane `lane`.
 * @throws {LaneRefused | ExchangeFailed} and the pipe is gone
 */
export async function joinSession(
  pipe: Pipe,
  options: HandshakeOptions,
  lane: number,
  ticket: SessionTicket | null,
): Promise<Joined> {
  const exchange = new Exchange(pipe, options.clock, options.timeout, options.signal);
  try {
    const keys = new HandshakeKeys(options.crypto, await entryBinding(exchange, options));
    const nonce = options.crypto.randomBytes(NONCE_BYTES);
    const hello = encodeHello({
      kind: ticket === null ? HelloKind.NEW : HelloKind.JOIN,
      minVersion: VERSION.min,
      maxVersion: VERSION.max,
      plain: options.binding === null,
      lane,
      session: ticket?.id ?? new Uint8Array(SESSION_ID_BYTES),
      nonce,
      settings: options.settings,
    });
    const sealed = keys.sealHello(ticket?.key ?? options.key, hello);
    exchange.write(sealed);
    const bytes = await exchange.read(handshakeLength);
    const reply = decodeReply(bytes);
    const key = ticket?.key ?? keys.sessionKey(options.key, nonce, reply.nonce);
    checkReply(reply, keys, sealed, bytes, reply.status === ReplyStatus.OK ? key : options.key);
    const joined = ticket ?? { id: reply.session, key };
    return { ticket: joined, lane, peer: reply.settings, early: exchange.finish() };
  } catch (error) {
    exchange.abort();
    throw malformed(error);
  }
}

/** What an exit makes of a HELLO whose mac is good. */
export interface Verdict {
  readonly status: ReplyStatus;
  /** For status OK on NEW: the id of the new session, and what its entry may do. */
  readonly session?: Uint8Array;
  readonly settings?: Settings;
}

export interface Judge {
  /** The key of a session, or null if it is unknown. */
  sessionKey(id: Uint8Array): Uint8Array | null;
  /** Called once the mac was found good; `settings` are the entry's. */
  decide(hello: Hello): Verdict;
}

/**
 * The exit's side: answers one HELLO.
 * @throws {LaneRefused | ExchangeFailed} and the pipe is gone
 */
export async function answerHello(
  pipe: Pipe,
  options: HandshakeOptions,
  judge: Judge,
): Promise<Joined & { hello: Hello }> {
  const exchange = new Exchange(pipe, options.clock, options.timeout, options.signal);
  try {
    if (options.head !== undefined) exchange.onChunk(new Chunk(options.head));
    const keys = new HandshakeKeys(options.crypto, await exitBinding(exchange, options));
    const sealed = await exchange.read(handshakeLength);
    const hello = decodeHello(sealed);
    const nonce = options.crypto.randomBytes(NONCE_BYTES);
    const verdict = judgeHello(hello, sealed, keys, options, judge);
    const known = hello.kind === HelloKind.JOIN ? judge.sessionKey(hello.session) : null;
    const sessionKey = known ?? keys.sessionKey(options.key, hello.nonce, nonce);
    const id = verdict.session ?? hello.session;
    const isOk = verdict.status === ReplyStatus.OK;
    const reply = encodeReply({
      version: commonVersion(hello.minVersion, hello.maxVersion) ?? 0,
      status: verdict.status,
      minVersion: VERSION.min,
      maxVersion: VERSION.max,
      lane: hello.lane,
      session: id,
      nonce,
      settings: verdict.settings ?? options.settings,
    });
    exchange.write(keys.sealReply(isOk ? sessionKey : options.key, sealed, reply));
    if (!isOk) {
      finishPolitely(pipe, exchange, options.clock);
      throw new LaneRefused(verdict.status, advice[verdict.status]);
    }
    const ticket = { id, key: sessionKey };
    return { ticket, lane: hello.lane, peer: hello.settings, early: exchange.finish(), hello };
  } catch (error) {
    if (!(error instanceof LaneRefused)) exchange.abort();
    throw malformed(error);
  }
}

function judgeHello(
  hello: Hello,
  sealed: Uint8Array,
  keys: HandshakeKeys,
  options: HandshakeOptions,
  judge: Judge,
): Verdict {
  if (commonVersion(hello.minVersion, hello.maxVersion) === null) {
    return { status: ReplyStatus.BAD_VERSION };
  }
  if (hello.plain !== (options.binding === null)) return { status: ReplyStatus.BAD_HELLO };
  let key: Uint8Array | null = options.key;
  if (hello.kind === HelloKind.JOIN) {
    key = judge.sessionKey(hello.session);
    if (key === null) return { status: ReplyStatus.UNKNOWN_SESSION };
  }
  if (!keys.opensHello(key, sealed)) return { status: ReplyStatus.BAD_KEY };
  return judge.decide(hello);
}

function checkReply(
  reply: Reply,
  keys: HandshakeKeys,
  sealedHello: Uint8Array,
  sealedReply: Uint8Array,
  key: Uint8Array,
): void {
  // An exit with another key says so; its mac cannot be checked, and the answer is the same either way.
  if (reply.status === ReplyStatus.BAD_KEY || !keys.opensReply(key, sealedHello, sealedReply)) {
    throw new LaneRefused(ReplyStatus.BAD_KEY, advice[ReplyStatus.BAD_KEY]);
  }
  if (reply.status === ReplyStatus.OK) return;
  throw new LaneRefused(reply.status, advice[reply.status]);
}

/** On a plain lane the exit's challenge takes the place of the TLS exporter. */
async function entryBinding(exchange: Exchange, options: HandshakeOptions): Promise<Uint8Array> {
  if (options.binding !== null) return options.binding;
  exchange.write(plainGreeting(options.affinity ?? 0));
  try {
    return await exchange.read(() => CHALLENGE_BYTES);
  } catch (error) {
    if (!(error instanceof ExchangeFailed) || error.kind !== 'closed') throw error;
    // A TLS exit hangs up on a plain greeting, and can't say why.
    const text = 'the exit hung up on a lane without TLS: does it run without --plain?';
    throw new ExchangeFailed('closed', text, { cause: error });
  }
}

async function exitBinding(exchange: Exchange, options: HandshakeOptions): Promise<Uint8Array> {
  if (options.binding !== null) return options.binding;
  await exchange.read((bytes) => {
    if (bytes[0] === TLS_HANDSHAKE) {
      throw new HandshakeError(
        'the entry speaks TLS, but this exit runs with --plain: give it on both ends or on neither',
      );
    }
    if (!hasMagic(bytes)) throw new HandshakeError('wrong magic: this is not tcp-striper');
    return GREETING_BYTES;
  });
  const challenge = options.crypto.randomBytes(CHALLENGE_BYTES);
  exchange.write(challenge);
  return challenge;
}

/** The content type of TLS handshake records. */
const TLS_HANDSHAKE = 0x16;
/** How long a refused entry may take to read why, ms. */
const REFUSAL_LINGER = 1_000;

/** The refusal must arrive, so the pipe ends with FIN and not with RST. */
function finishPolitely(pipe: Pipe, exchange: Exchange, clock: Clock): void {
  if (exchange.hasFailed) return;
  exchange.finish()?.release();
  pipe.sendFin();
  clock.at(clock.now() + REFUSAL_LINGER, () => pipe.abort());
}

function malformed(error: unknown): Error {
  if (error instanceof HandshakeError) return new ExchangeFailed('malformed', error.message);
  return error instanceof Error ? error : new Error(String(error));
}
