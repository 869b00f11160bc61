import { Budget } from '../data/budget.ts';
import { SlabPool } from '../data/slab-pool.ts';
import type { MemoryStatus } from './status.ts';

/** The window of a new channel: a small part of the session's, so that many readers may stop. */
const INITIAL_SHARE = 1 / 256;
const MIN_INITIAL_WINDOW = 4 * 1024;
const MAX_INITIAL_WINDOW = 64 * 1024;
/** Channels of one session. */
export const MAX_CHANNELS = 16_384;

/** One session takes at most this share of what is left for receiving, and these bounds. */
const SESSION_SHARE = 0.5;
const MAX_SESSION_WINDOW = 64 * 1024 * 1024;
const MIN_SESSION_WINDOW = 256 * 1024;

/** Bytes that a peer may send on a new channel before it hears more. */
export function initialWindow(sessionWindow: number): number {
  const share = Math.floor(sessionWindow * INITIAL_SHARE);
  return Math.min(MAX_INITIAL_WINDOW, Math.max(MIN_INITIAL_WINDOW, share));
}

/**
 * The memory of one proxy process, bounded by `--memory`.
 *
 * Read buffers hold most bytes on their way through, and are bounded as a whole; what sessions may
 * hold to re-send, and what their peers may have under way, is bounded at half of it each.
 */
export class ProxyMemory {
  readonly pool: SlabPool;
  readonly sending: Budget;
  readonly #receiving: Budget;
  readonly #limit: number;

  /** `limit` in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
    this.pool = new SlabPool({ allocate, budget: limit });
    this.sending = new Budget(limit / 2);
    this.#receiving = new Budget(limit / 2);
  }

  /** The window that the next session would get, bytes. */
  get sessionWindow(): number {
    return Math.min(MAX_SESSION_WINDOW, Math.floor(this.#receiving.free * SESSION_SHARE));
  }

  /** True while there is room for one more session. */
  get hasRoom(): boolean {
    return this.sessionWindow >= MIN_SESSION_WINDOW;
  }

  /** Reserves a session window, bytes. */
  takeSessionWindow(): number {
    const size = this.sessionWindow;
    this.#receiving.take(size);
    return size;
  }

  giveSessionWindow(size: number): void {
    this.#receiving.give(size);
  }

  /** `heldBytes`: received bytes that wait for a hole to be filled, or for their reader. */
  status(heldBytes: number): MemoryStatus {
    return {
      budgetBytes: this.#limit,
      usedBytes: Math.max(this.pool.outBytes, this.sending.used + heldBytes),
      readBufferBytes: this.pool.outBytes,
      sendBytes: this.sending.used,
      receiveBytes: heldBytes,
      sessionWindowBytes: this.#receiving.used,
    };
  }
}

/** Small pieces share memory, of 8 KiB at a time: one by itself would cost more to make than to fill. */
function allocate(size: number): Uint8Array {
  return size <= Buffer.poolSize / 4 ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
}
