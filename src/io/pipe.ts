import type { Chunk } from '../core/chunk.ts';

/**
 * A pipe is a duplex, ordered, reliable channel of bytes with TCP's semantics. Two ends make a
 * pipe; each end is a `Pipe`. Everything that carries bytes here is one: a TCP socket, a TLS
 * socket, datagrams over any pipe, an in-memory pair, and the striped pipe over many pipes.
 *
 *        owner --- send, sendFin, abort, pause, resume ---> pipe
 *        owner <-- onChunk, onFin, onDrain, onFinSent, onBroken -- pipe
 *
 * The laws (test/laws/pipe.ts runs them on every implementation):
 *
 *  1. `send()` is atomic. It takes the whole chunk and answers true, or takes nothing and answers
 *     false. It answers true exactly when `writable` was true. A chunk that was taken belongs to the
 *     pipe; one that was refused stays the caller's.
 *  2. `writable` falls only inside `send()`, `sendFin()`, `abort()` or with `onBroken`. When it has
 *     fallen because of congestion, exactly one `onDrain` follows once it is true again. What waits
 *     inside a pipe is bounded: a congested pipe holds less than one chunk beyond its own limit.
 *  3. Bytes come out as they went in: none lost, doubled, changed or reordered. Chunk boundaries
 *     mean nothing (except on a datagram pipe, which keeps them), and a byte pipe never delivers an
 *     empty chunk.
 *  4. `sendFin()` ends this direction after all that was sent; `writable` is false from then on, and
 *     one `onFinSent` follows. The peer gets one `onFin`, after the last byte. The other direction
 *     stays open for as long as its sender likes. A second `sendFin()` does nothing.
 *  5. `abort()` is RST: what is queued may be thrown away, memory is freed, the peer gets
 *     `onBroken`, and this end hears nothing more. It may be called at any time, again and again. A
 *     peer that has had this end's FIN, or is paused, may hear of it only when it writes or resumes;
 *     after both directions have ended there is nothing left to abort.
 *  6. `onBroken` comes at most once and is the last thing that a pipe says. A transfer that was cut
 *     short always ends in `onBroken`, never in `onFin`.
 *  7. A pipe is born paused. `pause()` and `resume()` may be repeated. No `onChunk` and no `onFin`
 *     comes while paused; the pipe then stops reading, so that its peer becomes congested.
 *     `onBroken` may come while paused.
 *  8. No handler is called from inside a call of the pipe: neither `send()` nor `resume()` nor any
 *     other method calls back before it returns.
 *  9. When both directions have ended, or after `abort()` or `onBroken`, nothing of the pipe is left:
 *     no socket, no timer, no memory.
 */
export interface Pipe {
  /** Says who listens; called before the first `resume()`, and again only while paused. */
  attach(handler: PipeHandler): void;
  /** True while `send()` would take a chunk. */
  readonly writable: boolean;
  /** `more`: another chunk follows before the caller returns, so this one may wait to leave with it. */
  send(chunk: Chunk, more?: boolean): boolean;
  sendFin(): void;
  pause(): void;
  resume(): void;
  abort(): void;
}

export interface PipeHandler {
  /** A non-empty chunk; it now belongs to the handler, which releases it once. */
  onChunk(chunk: Chunk): void;
  /** The peer has ended its direction; all its bytes were delivered. */
  onFin(): void;
  /** `writable` is true again. */
  onDrain(): void;
  /** All that was sent, and the FIN, have left this end. */
  onFinSent(): void;
  /** The pipe is dead. */
  onBroken(cause: BrokenPipe): void;
}

/** Why a pipe broke. */
export class BrokenPipe extends Error {
  override readonly name = 'BrokenPipe';
  /** `reset`: the peer sent RST. `lost`: the way to it failed. `protocol`: it broke the rules. */
  readonly kind: 'reset' | 'lost' | 'protocol';

  constructor(kind: BrokenPipe['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
