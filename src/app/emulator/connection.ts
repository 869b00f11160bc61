import type { Pipe } from '../../io/pipe.ts';
import type { Clock, Timer } from '../../loop/clock.ts';
import { End } from './end.ts';
import { Link, type LinkHandler, type LinkParameters } from './link.ts';

/** What the path of one connection is like: `up` from the side that connects, `down` back to it. */
export interface PathParameters {
  readonly up?: LinkParameters;
  readonly down?: LinkParameters;
}

export type Direction = 'up' | 'down' | 'both';

export interface ConnectionOptions {
  readonly index: number;
  readonly clock: Clock;
  /** The lateness of the clock's timers in ms. */
  readonly tick: number;
  readonly path: PathParameters;
  /** The pipe to the side that connected, and that side's port. */
  readonly near: Pipe;
  readonly nearPort: number;
  /** Connects to the target. Called at the time when the SYN would arrive there. */
  readonly dial: () => Promise<{ readonly pipe: Pipe; readonly localPort: number }>;
  /** Nothing of the connection is left. */
  readonly onClosed: () => void;
}

/**
 * A TCP connection across the emulator, on a path of its own:
 *
 *     near end --[ link up ]--> far end
 *              <--[ link down ]--
 *
 * SYN, FIN and RST travel like bytes, in order with them. An RST overtakes what is under way in its
 * direction, and what is under way in the other direction is lost.
 */
export class EmulatedConnection {
  /** Connections that the emulator had opened before. */
  readonly index: number;
  readonly nearPort: number;
  readonly #clock: Clock;
  readonly #near: End;
  readonly #far: End;
  readonly #up: Link;
  readonly #down: Link;
  readonly #stalls = new Map<Link, Timer>();
  readonly #options: ConnectionOptions;
  #farPort: number | undefined;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    const { clock, path, tick } = options;
    const link = (p: LinkParameters | undefined, handler: LinkHandler): Link =>
      new Link(clock, p ?? {}, handler, tick);
    this.index = options.index;
    this.nearPort = options.nearPort;
    this.#clock = clock;
    this.#options = options;
    this.#up = link(path.up, {
      onArrival: (chunk) => this.#far.deliver(chunk),
      onMark: (mark) => (mark === 'syn' ? this.#dial() : this.#far.deliverMark(mark)),
      onRoom: () => this.#near.resume(),
    });
    this.#down = link(path.down, {
      onArrival: (chunk) => this.#near.deliver(chunk),
      onMark: (mark) => this.#near.deliverMark(mark),
      onRoom: () => this.#far.resume(),
    });
    const onOver = (): void => this.#closeIfOver();
    this.#near = new End(this.#down, this.#up, onOver);
    this.#far = new End(this.#up, this.#down, onOver);
    this.#up.mark('syn');
    this.#near.connect(options.near);
  }

  /** Our port towards the target, once connected. */
  get farPort(): number | undefined {
    return this.#farPort;
  }

  /** Bytes that reached the target's side. */
  get upBytes(): number {
    return this.#up.arrivedBytes;
  }

  /** Bytes that reached the side that connected. */
  get downBytes(): number {
    return this.#down.arrivedBytes;
  }

  /** Lets nothing through for `ms`, or until `release()`. What waits is neither lost nor hurried. */
  stall(ms = Number.POSITIVE_INFINITY, direction: Direction = 'both'): void {
    for (const link of this.#links(direction)) {
      this.#stalls.get(link)?.cancel();
      this.#stalls.delete(link);
      link.hold('stall');
      if (ms === Number.POSITIVE_INFINITY || this.#isClosed) continue;
      this.#stalls.set(
        link,
        this.#clock.at(this.#clock.now() + ms, () => link.release('stall')),
      );
    }
  }

  release(direction: Direction = 'both'): void {
    for (const link of this.#links(direction)) {
      this.#stalls.get(link)?.cancel();
      this.#stalls.delete(link);
      link.release('stall');
    }
  }

  /** Changes the rate, in bytes per second. */
  throttle(rate: number, direction: Direction = 'both'): void {
    for (const link of this.#links(direction)) link.setRate(rate);
  }

  /** RST to both sides, at once. */
  kill(): void {
    this.#near.abort();
    this.#far.abort();
  }

  /**
   * From now on both sides may send, at the path's rate, but nothing arrives any more: no byte, no
   * FIN, no RST. It differs from a stall in that the senders' kernels see their bytes acknowledged.
   */
  blackhole(): void {
    this.#near.deafen();
    this.#far.deafen();
    if (this.#farPort === undefined) this.#far.abort();
  }

  #links(direction: Direction): readonly Link[] {
    if (direction === 'both') return [this.#up, this.#down];
    return [direction === 'up' ? this.#up : this.#down];
  }

  #dial(): void {
    this.#up.hold('dial');
    this.#options.dial().then(
      ({ pipe, localPort }) => {
        this.#farPort = localPort;
        this.#far.connect(pipe);
        this.#up.release('dial');
      },
      () => {
        this.#far.onBroken();
        this.#up.release('dial');
      },
    );
  }

  #closeIfOver(): void {
    if (this.#isClosed || !this.#near.isOver || !this.#far.isOver) return;
    this.#isClosed = true;
    this.#up.clear();
    this.#down.clear();
    for (const timer of this.#stalls.values()) timer.cancel();
    this.#options.onClosed();
  }
}
