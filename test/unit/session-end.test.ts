import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunk } from '../../src/core/chunk.ts';
import { Budget } from '../../src/data/budget.ts';
import type { PipeHandler } from '../../src/io/pipe.ts';
import { memoryPipePair } from '../../src/io/pipe-mem.ts';
import type { StripedPipe } from '../../src/io/pipe-striped.ts';
import { Trunk } from '../../src/io/trunk.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';
import { createScheduler } from '../../src/protocol/scheduler.ts';

const KiB = 1024;
const SIZE = 50 * KiB;
const WINDOW = 1024 * KiB;
const LANES = 3;

/** An application at one end of a channel: it writes and ends at once, and notes what it hears. */
class App implements PipeHandler {
  readonly pipe: StripedPipe;
  readonly heard: string[] = [];
  bytes = 0;

  constructor(pipe: StripedPipe) {
    this.pipe = pipe;
    pipe.attach(this);
  }

  say(bytes: number): void {
    assert.equal(this.pipe.send(new Chunk(new Uint8Array(bytes))), true);
    this.pipe.sendFin();
  }

  get isDone(): boolean {
    return this.heard.includes('fin') && this.heard.includes('fin acked');
  }

  onChunk(chunk: Chunk): void {
    this.bytes += chunk.length;
    chunk.release();
  }

  onFin(): void {
    this.heard.push('fin');
  }

  onFinSent(): void {
    this.heard.push('fin acked');
  }

  onDrain(): void {}

  onBroken({ kind }: { kind: string }): void {
    this.heard.push(kind);
  }
}

/** Both ends of a session with one channel. What befalls the sessions themselves is in `news`. */
class World {
  readonly clock = new VirtualClock();
  readonly news: Readonly<Record<'entry' | 'exit', string[]>> = { entry: [], exit: [] };
  readonly trunks: Readonly<Record<'entry' | 'exit', Trunk>>;
  readonly apps: Readonly<Record<'entry' | 'exit', App>>;

  constructor() {
    let far: App | null = null;
    const exit = this.#trunk('exit', (pipe) => {
      pipe.accept();
      far = new App(pipe);
    });
    const entry = this.#trunk('entry', () => assert.fail('an exit opens nothing'));
    this.trunks = { entry, exit };
    for (let id = 1; id <= LANES; id += 1) {
      const [one, other] = memoryPipePair({ capacity: 64 * KiB, clock: this.clock });
      entry.addLane(id, one, null);
      exit.addLane(id, other, null);
    }
    const near = new App(entry.open(new Uint8Array(0)));
    this.clock.runUntil(100);
    assert.ok(far !== null);
    this.apps = { entry: near, exit: far };
  }

  /** Goes on until the application at that end has nothing to wait for, and not a step further. */
  finish(end: 'entry' | 'exit'): void {
    const last = this.clock.now() + 5_000;
    while (!this.apps[end].isDone && this.clock.now() < last) this.clock.step();
    assert.ok(this.apps[end].isDone, `the ${end} heard ${this.apps[end].heard}`);
  }

  /** Both applications say all that they have to say; only the one at that end reads, until it is done. */
  exchange(reader: 'entry' | 'exit'): void {
    this.apps[reader].pipe.resume();
    for (const app of Object.values(this.apps)) app.say(SIZE);
    this.finish(reader);
  }

  rest(): void {
    this.clock.runUntil(this.clock.now() + 5_000);
  }

  #trunk(role: 'entry' | 'exit', onOpen: (pipe: StripedPipe) => void): Trunk {
    return new Trunk(
      {
        role,
        scheduler: createScheduler('adaptive'),
        sessionWindow: WINDOW,
        initialWindow: 64 * KiB,
        peerSessionWindow: WINDOW,
        peerInitialWindow: 64 * KiB,
        maxChannels: 16,
        sendBudget: new Budget(WINDOW),
      },
      this.clock,
      {
        onOpen,
        onLaneEnd() {},
        onGoAway() {},
        onClosed: (reason) => this.news[role].push(reason),
        onEmptied: () => this.news[role].push('empty'),
      },
    );
  }
}

for (const [leaver, stayer] of [
  ['entry', 'exit'],
  ['exit', 'entry'],
] as const) {
  test(`the ${leaver} leaves when its connections have ended: the ${stayer} still reads what has arrived`, () => {
    const world = new World();
    const { apps, trunks, news } = world;
    world.exchange(leaver);
    trunks[leaver].close('SHUTDOWN');
    world.rest();
    assert.deepEqual(apps[stayer].heard, ['fin acked']);
    assert.deepEqual(news, { [leaver]: ['SHUTDOWN', 'empty'], [stayer]: ['SHUTDOWN'] });
    apps[stayer].pipe.resume();
    world.rest();
    assert.deepEqual([apps[stayer].bytes, apps[stayer].heard], [SIZE, ['fin acked', 'fin']]);
    assert.deepEqual(news[stayer], ['SHUTDOWN', 'empty']);
  });

  test(`the ${leaver} leaves in the moment of its last connection's end: the ${stayer} hears that all arrived`, () => {
    const world = new World();
    const { apps, trunks } = world;
    for (const { pipe } of Object.values(apps)) pipe.resume();
    apps[leaver].say(SIZE);
    world.rest();
    apps[stayer].say(SIZE);
    world.finish(leaver);
    trunks[leaver].close('SHUTDOWN');
    world.rest();
    assert.deepEqual([apps[stayer].bytes, apps[stayer].heard.sort()], [SIZE, ['fin', 'fin acked']]);
  });

  test(`the ${leaver} leaves before all has arrived: RST at the ${stayer}, as soon as it hears of it`, () => {
    const world = new World();
    const { apps, trunks, news } = world;
    for (const app of Object.values(apps)) app.pipe.resume();
    apps[stayer].say(SIZE);
    world.rest();
    assert.deepEqual(apps[stayer].heard, ['fin acked']);
    trunks[leaver].close('SHUTDOWN');
    world.rest();
    assert.deepEqual(apps[stayer].heard, ['fin acked', 'reset']);
    assert.deepEqual(news[stayer], ['SHUTDOWN', 'empty']);
  });
}

test('all lanes are lost for good: what has arrived in full is read', () => {
  const world = new World();
  const { apps, trunks, news } = world;
  world.exchange('entry');
  world.rest();
  trunks.exit.session.end('LANES_LOST', 'no lane for 60 s');
  assert.deepEqual(news.exit, ['LANES_LOST']);
  apps.exit.pipe.resume();
  world.rest();
  assert.deepEqual([apps.exit.bytes, apps.exit.heard], [SIZE, ['fin acked', 'fin']]);
});

test('an application that gives up what it has not read frees the session that is over', () => {
  const world = new World();
  const { apps, trunks, news } = world;
  world.exchange('entry');
  trunks.entry.close('SHUTDOWN');
  world.rest();
  assert.deepEqual(news.exit, ['SHUTDOWN']);
  apps.exit.pipe.abort();
  world.rest();
  assert.deepEqual(news.exit, ['SHUTDOWN', 'empty']);
  assert.equal(trunks.exit.session.delivery.heldBytes, 0);
});
