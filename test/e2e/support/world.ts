import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Pair, type PairOptions } from './pair.ts';
import { Target } from './target.ts';
import { until } from './wait.ts';

/** A pair, and a target whose connections the test takes. */
export class World {
  readonly pair: Pair;
  readonly options: PairOptions;
  readonly #accepted: Socket[];

  static async start(t: TestContext, how: Omit<PairOptions, 'to'>): Promise<World> {
    const accepted: Socket[] = [];
    const target = await Target.start((socket) => accepted.push(socket));
    t.after(() => target.close());
    const options = { ...how, to: target.address };
    return new World(await Pair.start(t, options), options, accepted);
  }

  private constructor(pair: Pair, options: PairOptions, accepted: Socket[]) {
    this.pair = pair;
    this.options = options;
    this.#accepted = accepted;
  }

  /** Both ends of a new connection. */
  async join(): Promise<[near: Socket, far: Socket]> {
    const near = await this.pair.connect();
    return [near, await this.#accept()];
  }

  /** What comes back of a word over a new connection. */
  async echo(): Promise<string> {
    const near = this.pair.dial();
    near.write('hello');
    const far = await this.#accept();
    far.pipe(far);
    const [bytes] = (await once(near, 'data')) as [Buffer];
    near.destroy();
    return bytes.toString();
  }

  #accept(): Promise<Socket> {
    return until(
      () => this.#accepted.shift(),
      5_000,
      () => 'a connection at the target',
    );
  }
}
