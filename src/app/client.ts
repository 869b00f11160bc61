import type { Duplex } from 'node:stream';
import type { Logger } from '../core/log.ts';
import { duplexFromPipe } from '../io/duplex.ts';
import { ProxyMemory } from './proxy-memory.ts';
import type { Readiness } from './service.ts';
import type { SessionStatus } from './status.ts';
import { Uplink, type UplinkConfig } from './uplink.ts';

/** An entry without a port of its own: a program's connections to the exit's target. */
export class StriperClient {
  readonly #uplink: Uplink;
  readonly #waiting = new Set<() => void>();

  /** Begins to dial; see `connect`. */
  constructor(config: UplinkConfig, logger: Logger) {
    this.#uplink = new Uplink(config, new ProxyMemory(config.memory), logger, () => {
      for (const resolve of this.#waiting) resolve();
      this.#waiting.clear();
    });
    this.#uplink.start();
  }

  /**
   * A connection to the exit's target, half-open allowed, as soon as there is a session. What is
   * written at once travels with the request to connect; a refused target shows as ECONNRESET.
   */
  async connect(): Promise<Duplex> {
    for (;;) {
      const pipe = this.#uplink.open();
      if (pipe !== null) return duplexFromPipe(pipe);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  readiness(): Readiness {
    return this.#uplink.readiness();
  }

  status(): SessionStatus[] {
    return this.#uplink.status();
  }

  /** Ends the session. Connections are reset, but for those of which everything has arrived at both ends. */
  close(): void {
    this.#uplink.close();
  }
}
