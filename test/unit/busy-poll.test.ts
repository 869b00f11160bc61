import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Wakefulness } from '../../src/loop/awake.ts';
import { BusyPoll } from '../../src/loop/busy-poll.ts';
import { VirtualClock } from '../../src/loop/virtual-clock.ts';

const WINDOW = 0.3; // ms
/** What sums of fractions may be off by, ms. */
const TINY = 1e-6;

/** A loop that counts the time for which it is kept awake. */
class Loop implements Wakefulness {
  readonly clock = new VirtualClock();
  #awake = 0;
  #since: number | null = null;

  begin(): void {
    assert.equal(this.#since, null, 'begun once');
    this.#since = this.clock.now();
  }

  end(): void {
    assert.ok(this.#since !== null, 'ended once');
    this.#awake += this.clock.now() - this.#since;
    this.#since = null;
  }

  /** Lets `ms` pass. @returns ms of it in which the loop was awake */
  pass(ms: number): number {
    const before = this.#total;
    this.clock.runUntil(this.clock.now() + ms);
    return this.#total - before;
  }

  get #total(): number {
    return this.#awake + (this.#since === null ? 0 : this.clock.now() - this.#since);
  }
}

const near = {};
const far = {};

function setUp(window = WINDOW) {
  const loop = new Loop();
  const poll = new BusyPoll(loop.clock, loop, window);
  /** Messages there and back, each so long after the one before, ms. @returns ms awake */
  const talk = (rounds: number, there: number, back: number, bytes = 100): number => {
    let awake = 0;
    for (let round = 0; round < rounds; round += 1) {
      poll.heard(near, far, bytes);
      awake += loop.pass(there);
      poll.heard(far, near, bytes);
      awake += loop.pass(back);
    }
    return awake;
  };
  return { loop, poll, talk };
}

test('a quick conversation keeps the loop awake, from its start until one window after its end', () => {
  const { loop, talk } = setUp();
  talk(50, 0.1, 0.05);
  const awake = talk(100, 0.1, 0.05);
  assert.ok(awake >= 100 * 0.15 * 0.95, `awake for ${awake} ms`);
  const after = loop.pass(1_000);
  assert.ok(after > 0 && after <= WINDOW + TINY, `${after} ms after the last message`);
  assert.equal(loop.pass(1_000), 0);
});

test('a pause costs one window, and the conversation goes on awake', () => {
  const { loop, talk } = setUp();
  talk(50, 0.1, 0.05);
  const pause = loop.pass(500);
  assert.ok(pause <= WINDOW + TINY, `awake for ${pause} ms of the pause`);
  const awake = talk(100, 0.1, 0.05);
  assert.ok(awake >= 100 * 0.15 * 0.9, `awake for ${awake} ms`);
});

test('with answers that come late the loop sleeps', () => {
  for (const [there, back] of [
    [0.1, 20], // a long route
    [20, 0.1],
    [0.1, 0.4], // somebody who thinks
    [2, 2],
  ] as const) {
    const { talk } = setUp();
    assert.equal(talk(500, there, back), 0, `${there} and ${back} ms`);
  }
});

test('a conversation that slows down is left after a few polls in vain', () => {
  const { talk } = setUp();
  talk(100, 0.1, 0.1);
  const awake = talk(500, 1, 1);
  assert.ok(awake <= 8 * (WINDOW + TINY), `awake for ${awake} ms`);
});

test('messages one way are no conversation', () => {
  const { loop, poll } = setUp();
  let awake = 0;
  for (let message = 0; message < 500; message += 1) {
    poll.heard(near, far, 100);
    awake += loop.pass(0.05);
  }
  assert.equal(awake, 0);
});

test('nor are those of many, who talk across each other', () => {
  const { loop, poll } = setUp();
  const pairs = Array.from({ length: 16 }, () => [{}, {}] as const);
  let awake = 0;
  for (let round = 0; round < 100; round += 1) {
    for (const [a, b] of pairs) {
      poll.heard(a, b, 100);
      awake += loop.pass(0.01);
    }
    for (const [a, b] of pairs) {
      poll.heard(b, a, 100);
      awake += loop.pass(0.01);
    }
  }
  assert.equal(awake, 0);
});

test('bulk is none either, even if it comes from both sides in turn', () => {
  const { talk } = setUp();
  talk(50, 0.1, 0.1);
  const before = talk(100, 0.1, 0.1, 64 * 1024);
  const after = talk(100, 0.1, 0.1, 64 * 1024);
  assert.ok(before < 2, `${before} ms until it is noticed`);
  assert.equal(after, 0);
});

test('it wakes in vain for at most a third of the messages that paid', () => {
  const { loop, poll } = setUp();
  let [paid, vain, state] = [0, 0, 12_345];
  for (let message = 0; message < 20_000; message += 1) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const isQuick = state / 2 ** 31 < 0.78;
    poll.heard(message % 2 === 0 ? near : far, message % 2 === 0 ? far : near, 100);
    const awake = loop.pass(isQuick ? 0.1 : 5);
    if (awake > 0 && isQuick) paid += 1;
    if (awake > 0 && !isQuick) vain += 1;
  }
  assert.ok(paid > 1_000, `${paid} paid`);
  assert.ok(vain <= paid / 3, `${vain} in vain, ${paid} paid`);
});

test('a window of 0 never polls, and does not look at the clock', () => {
  const { loop, poll } = setUp(0);
  loop.clock.now = () => assert.fail('nobody asks for the time');
  for (let message = 0; message < 100; message += 1) {
    poll.heard(message % 2 === 0 ? near : far, message % 2 === 0 ? far : near, 100);
  }
  Reflect.deleteProperty(loop.clock, 'now');
  assert.equal(loop.pass(10), 0);
});
