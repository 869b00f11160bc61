import assert from 'node:assert/strict';
import type { Chunk } from '../../src/core/chunk.ts';
import type { Channel } from '../../src/protocol/channel.ts';
import type { Lane } from '../../src/protocol/lane.ts';
import { concat } from '../prop/wire.ts';
import type { Random } from '../sim/random.ts';
import { End, MAX_CHANNELS, Reader, SESSION_WINDOW } from './end.ts';
import { shred } from './mutate.ts';

const WRITES = [1, 10, 300, 5_000, 40_000];

/** What one end's application does with a channel: anything, at any time, inside of calls too. */
class App extends Reader {
  readonly channel: Channel;
  written = 0;
  isOver = false;
  readonly #end: End;
  readonly #random: Random;
  readonly #isHonest: () => boolean;
  received = 0;
  hasStopped = false;

  constructor(channel: Channel, end: End, random: Random, isHonest: () => boolean) {
    super();
    this.channel = channel;
    this.#end = end;
    this.#random = random;
    this.#isHonest = isHonest;
  }

  act(): void {
    const { session, now } = this.#end;
    const random = this.#random;
    if (this.isOver) return;
    switch (random.int(0, 11)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        if (session.mustWait(this.channel)) return;
        const length = random.pick(WRITES);
        const bytes = pattern(this.channel, this.written, length);
        if (this.channel.send.state === 'open') this.written += length;
        session.write(this.channel, this.#end.slabs.chunk(bytes), now);
        return;
      }
      case 4:
      case 5:
      case 6:
        session.resume(this.channel);
        return;
      case 7:
        session.pause(this.channel);
        return;
      case 8:
        if (random.chance(0.3)) session.finish(this.channel, now);
        return;
      case 9:
        if (!random.chance(0.05)) return;
        this.isOver = true;
        session.reset(this.channel, 'RESET');
        return;
      case 10:
        if (!random.chance(0.05)) return;
        this.hasStopped = true;
        session.stop(this.channel, 'STOPPED');
        return;
      case 11:
        if (this.#end.role === 'exit') session.accept(this.channel);
    }
  }

  override onChunk(chunk: Chunk): void {
    assert.ok(!this.isOver, 'nothing is said after the end');
    assert.ok(chunk.length > 0);
    if (this.#isHonest()) {
      const expected = pattern(this.channel, this.received, chunk.length);
      assert.equal(Buffer.compare(expected, chunk.bytes), 0, 'bytes as they were written');
    }
    this.received += chunk.length;
    chunk.release();
    if (this.#random.chance(0.2)) this.act();
  }

  override onFin(): void {
    assert.ok(!this.isOver && this.fins === 0);
    super.onFin();
    if (this.#random.chance(0.5)) this.act();
  }

  override onFinAcked(): void {
    assert.ok(!this.isOver && this.finAcks === 0);
    assert.equal(
      this.channel.send.outstandingBytes,
      0,
      'a FIN is acknowledged after all before it',
    );
    super.onFinAcked();
  }

  override onReset(): void {
    assert.ok(!this.isOver, 'RST is told once, and not to who sent it');
    this.isOver = true;
  }

  override onDrain(): void {
    assert.ok(!this.isOver);
    this.act();
  }
}

/** What both ends write on a channel from `offset` on; of at most 64 KiB. */
function pattern(channel: Channel, offset: number, length: number): Uint8Array {
  const start = (offset + channel.id * 13) % 256;
  return repeated.subarray(start, start + length);
}

const repeated = Uint8Array.from({ length: 256 + 65_536 }, (_, at) => at * 7);

/** An entry and an exit, joined by lanes of bytes that the test may tamper with. */
export class Pair {
  readonly entry: End;
  readonly exit: End;
  readonly apps: App[] = [];
  isHonest = true;
  readonly #random: Random;
  #nextLane: number;
  /** What a lane carries and has not delivered yet, by the end that it goes to. */
  readonly #wires = new Map<End, Map<number, Uint8Array[]>>();

  constructor(random: Random, lanes: number) {
    this.#random = random;
    const options = {
      budget: random.pick([30_000, 1 << 20]),
      scheduler: random.pick(['adaptive', 'adaptive', 'round-robin', 'until-congested'] as const),
    };
    this.entry = new End('entry', lanes, {}, options);
    const onOpen = (channel: Channel): void => {
      if (random.chance(0.1)) this.exit.session.refuse(channel, 'REFUSED');
      else this.#newApp(channel, this.exit);
    };
    this.exit = new End('exit', lanes, { onOpen }, options);
    this.#nextLane = lanes + 1;
    for (const end of this.ends) this.#wires.set(end, new Map());
  }

  get ends(): readonly [End, End] {
    return [this.entry, this.exit];
  }

  /** One random thing happens, and what it leads to. */
  step(): void {
    const random = this.#random;
    const what = random.int(0, 99);
    if (what < 8) this.#open();
    else if (what < 50 && this.apps.length > 0) random.pick(this.apps).act();
    else if (what < 52) this.#loseLane();
    else if (what < 55) this.#toggle();
    else if (what < 57 && this.#nextLane < 60) this.#addLane();
    else if (what < 58) this.#drainLane();
    else if (what < 59 && random.chance(0.1)) random.pick(this.ends).session.goAway();
    else if (what < 70) this.#pass(random.pick([0, 1, 5, 30, 400]));
    else this.#carry();
    for (const end of this.ends) end.settle();
    this.collect();
  }

  /** Everything that was sent goes to the wires; lanes that one end has lost are lost to the other. */
  collect(): void {
    for (const end of this.ends) {
      const wires = this.#wires.get(this.#other(end))!;
      for (const [lane, port] of end.ports) {
        const wire = wires.get(lane.id) ?? [];
        if (port.sentBytes > 0) wire.push(port.take());
        wires.set(lane.id, wire);
      }
    }
    for (const end of this.ends) {
      for (const lane of [...end.session.lanes]) {
        if (!this.#has(this.#other(end), lane.id)) end.dropLane(lane);
      }
    }
  }

  /** Takes what is under way to `end` on a random lane, for tampering. */
  intercept(end: End): { lane: Lane; bytes: Uint8Array } | null {
    if (end.session.lanes.length === 0) return null;
    const lane = this.#random.pick(end.session.lanes);
    const wires = this.#wires.get(end)!;
    const bytes = concat(wires.get(lane.id) ?? []);
    wires.delete(lane.id);
    return { lane, bytes };
  }

  /** Delivers until nothing moves any more, with all readers reading. */
  settle(): void {
    for (let calm = 0; calm < 50; calm += 1) {
      if (this.entry.session.lanes.length === 0) this.#addLane();
      for (const app of this.apps) if (!app.isOver) this.#endOf(app).session.resume(app.channel);
      for (const end of this.ends) {
        for (const port of end.ports.values()) port.writable = true;
        end.settle();
      }
      this.collect();
      for (const end of this.ends) {
        for (const lane of end.session.lanes) {
          const wire = this.#wires.get(end)!.get(lane.id) ?? [];
          for (const bytes of wire.splice(0)) {
            end.receive(bytes, lane);
            if (bytes.length > 100) calm = 0;
          }
        }
      }
      this.#pass(10);
    }
  }

  /** What holds once nothing moves any more. */
  checkSettled(): void {
    for (const end of this.ends) {
      const { session } = end;
      assert.equal(session.delivery.announced, session.delivery.consumed, 'all credit is returned');
      const other = this.#other(end).session;
      assert.equal(other.transmitter.sessionSent, session.delivery.announced, 'both count alike');
    }
    for (const app of this.apps) {
      if (app.isOver) continue;
      assert.equal(app.channel.send.outstandingBytes, 0, 'all is acknowledged');
      const peer = this.apps.find(({ channel, isOver }) => {
        return channel.id === app.channel.id && channel !== app.channel && !isOver;
      });
      if (peer === undefined || peer.hasStopped) continue;
      assert.equal(peer.received, app.written, 'all has arrived');
      assert.equal(peer.fins, app.channel.send.state === 'done' ? 1 : 0);
      assert.equal(app.finAcks, peer.fins);
    }
  }

  /** Bounds that hold at any time, whatever came. */
  check(): void {
    for (const end of this.ends) {
      const { session, budget, slabs } = end;
      assert.ok(session.delivery.heldBytes <= SESSION_WINDOW, 'held bytes');
      assert.ok(session.channels.active <= 2 * MAX_CHANNELS + 1_024, 'channels');
      assert.ok(session.transmitter.queuedControls <= 2 * MAX_CHANNELS + 4_096, 'control frames');
      assert.ok(budget.used >= 0, 'the budget is not overdrawn');
      // What the other end's writers hold lies in this end's slabs or their own.
      assert.ok(slabs.outBytes <= 4 * SESSION_WINDOW + 2 * budget.limit, 'pinned memory');
      if (session.isClosed) assertClosed(end);
    }
  }

  #open(): void {
    const { session } = this.entry;
    if (!session.isOpen || session.channels.active > MAX_CHANNELS) return;
    const target = new Uint8Array(this.#random.int(0, 20));
    const placeholder = new Reader();
    const channel = session.open(target, placeholder);
    this.#newApp(channel, this.entry);
  }

  #newApp(channel: Channel, end: End): void {
    const app = new App(channel, end, this.#random, () => this.isHonest);
    channel.handler = app;
    this.apps.push(app);
  }

  #endOf(app: App): End {
    return this.entry.session.channels.get(app.channel.id) === app.channel ? this.entry : this.exit;
  }

  #loseLane(): void {
    const { lanes } = this.entry.session;
    if (lanes.length < 2) return;
    this.entry.dropLane(this.#random.pick(lanes));
  }

  #addLane(): void {
    if (this.entry.session.isClosed || this.exit.session.isClosed) return;
    for (const end of this.ends) end.addLane(this.#nextLane);
    this.#nextLane += 1;
  }

  #drainLane(): void {
    const { session } = this.#random.pick(this.ends);
    if (session.lanes.length > 1) session.drainLane(this.#random.pick(session.lanes));
  }

  #toggle(): void {
    const ports = [...this.#random.pick(this.ends).ports.values()];
    if (ports.length > 0) this.#random.pick(ports).writable = this.#random.chance(0.7);
  }

  #carry(): void {
    const end = this.#random.pick(this.ends);
    const taken = this.intercept(end);
    if (taken === null) return;
    const { lane, bytes } = taken;
    const length = this.#random.chance(0.5) ? bytes.length : this.#random.int(0, bytes.length);
    this.#wires.get(end)!.set(lane.id, [bytes.subarray(length)]);
    for (const piece of shred(this.#random, bytes.subarray(0, length))) end.receive(piece, lane);
  }

  #pass(ms: number): void {
    for (const end of this.ends) end.pass(ms);
  }

  #has(end: End, lane: number): boolean {
    return end.session.lanes.some(({ id }) => id === lane);
  }

  #other(end: End): End {
    return end === this.entry ? this.exit : this.entry;
  }
}

/** A session that is over wants nothing any more; only readers of complete channels may keep something. */
function assertClosed({ session, budget, slabs, now }: End): void {
  assert.equal(budget.used, 0, 'the send budget is given back');
  assert.equal(session.nextDeadline(now), Number.POSITIVE_INFINITY, 'no timer is wanted');
  for (const channel of session.channels) {
    assert.ok(channel.isComplete && !channel.isReset, `channel ${channel.id} is left`);
  }
  assert.equal(session.isEmptied, session.channels.active === 0);
  if (session.isEmptied) slabs.assertAllHome();
}

/** The readers of what is left take all of it. */
export function readOut(end: End): void {
  const { session } = end;
  assertClosed(end);
  // A reader may pause again with each piece, but not for ever.
  for (let turns = 0; !session.isEmptied; turns += 1) {
    assert.ok(turns < 1_000, 'what is left comes to its end');
    for (const channel of session.channels) session.resume(channel);
    end.settle();
  }
}

export function assertEmpty({ session, budget, slabs, now }: End): void {
  assert.equal(budget.used, 0, 'the send budget is given back');
  assert.equal(session.delivery.heldBytes, 0, 'nothing is held');
  assert.equal(session.channels.active, 0, 'no channel is left');
  assert.equal(session.hasDeliverable, false, 'nobody is owed a call');
  assert.equal(session.nextDeadline(now), Number.POSITIVE_INFINITY, 'no timer is wanted');
  slabs.assertAllHome();
}
