import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lane } from '../../src/protocol/lane.ts';
import { createScheduler } from '../../src/protocol/scheduler.ts';
import { Control } from '../../src/protocol/segment.ts';
import { Port } from '../fuzz/end.ts';
import { drive } from './route.ts';

const START = 5_000;
const bulk = {
  isSparse: false,
  freeWindow: 32 * 1024 * 1024,
  left: Number.POSITIVE_INFINITY,
  sharers: 1,
};

/** A lane that has been full for long, on a route of so many bytes per ms and so many ms, now empty. */
function laneOf(id: number, rate: number, rtt: number): Lane {
  const lane = new Lane(id, new Port(), 0);
  drive(lane.path, { rate, rtt }, 0, START);
  return lane;
}

/** A lane of a short route that has carried nothing but the question after its round trip. */
function freshLane(id: number): Lane {
  const lane = new Lane(id, new Port(), 0);
  const answer = { bytes: 16, sentAt: START - 0.1, waitingSince: START - 0.1, delay: 0 };
  lane.path.onAck(START, { ...answer, sample: null, isOverdue: false });
  return lane;
}

test('on a short route, a lane that has shown little gets no crumbs while a fast one has room', () => {
  const fast = laneOf(1, 100_000, 1);
  const little = laneOf(2, 2_000, 1);
  fast.track(new Control('other', new Uint8Array(0)), 1_500_000, START);
  assert.ok(little.path.chunk < fast.path.chunk / 20);
  assert.ok(
    little.eta(little.path.chunk, START) + 5 < fast.eta(fast.path.chunk, START),
    'a crumb would arrive first',
  );
  const { pick } = createScheduler('adaptive');
  assert.equal(pick([little, fast], bulk, START), fast);
  // Full for more than a moment, it leaves the rest to the others.
  fast.track(new Control('other', new Uint8Array(0)), fast.path.cap, START);
  fast.path.setFull(true, START);
  assert.equal(pick([little, fast], bulk, START), null);
  assert.equal(pick([little, fast], bulk, START + 10), little);
});

test('on a long route, the lane whose frame arrives first takes it, however short its frames', () => {
  const fast = laneOf(1, 10_000, 40);
  const little = laneOf(2, 1_000, 40);
  fast.track(new Control('other', new Uint8Array(0)), 500_000, START);
  assert.ok(little.path.chunk < fast.path.chunk);
  const { pick } = createScheduler('adaptive');
  assert.equal(pick([fast, little], bulk, START), little);
});

test('a slow lane is left alone where one window would fill meanwhile, and used where many share the fast one', () => {
  const fast = laneOf(1, 20_000, 40);
  const slow = laneOf(2, 2_000, 400);
  fast.track(new Control('other', new Uint8Array(0)), fast.path.cap, START);
  const { pick } = createScheduler('adaptive');
  const freeWindow = 512 * 1024;
  assert.ok(
    (slow.eta(freeWindow, START) - fast.eta(freeWindow, START)) * fast.path.rate > freeWindow,
    'the fast lane could carry more than the window meanwhile',
  );
  assert.equal(pick([fast, slow], { ...bulk, freeWindow }, START), null);
  assert.equal(pick([fast, slow], { ...bulk, freeWindow, sharers: 100 }, START), slow);
});

test('bulk stays on a fast lane of a short route, though another would be a little earlier', () => {
  const [first, second] = [laneOf(1, 500_000, 0.2), laneOf(2, 500_000, 0.2)];
  const { pick } = createScheduler('adaptive');
  assert.equal(pick([first, second], bulk, START), first);
  first.track(new Control('other', new Uint8Array(0)), 1_000_000, START);
  assert.ok(second.eta(1, START) < first.eta(1, START));
  assert.equal(pick([first, second], bulk, START), first);
  assert.equal(
    pick([first, second], { ...bulk, isSparse: true }, START),
    second,
    'not so a message',
  );
  assert.equal(pick([second], bulk, START), second, 'nor when it is not to be had');
  first.health = 'suspect';
  assert.equal(pick([first, second], bulk, START), second, 'nor when it is in doubt');
});

test('a fast lane that is full for a moment is waited for, one that stays full is not', () => {
  const fast = laneOf(1, 500_000, 0.2);
  const fresh = freshLane(2);
  const lanes = [fresh, fast];
  const { pick } = createScheduler('adaptive');
  fast.track(new Control('other', new Uint8Array(0)), 3_000_000, START);
  assert.ok(fresh.eta(fresh.path.chunk, START) + 5 < fast.eta(fast.path.chunk, START));
  assert.equal(pick(lanes, bulk, START), fast, 'while it has room, it is taken');
  fast.track(new Control('other', new Uint8Array(0)), fast.path.cap - 3_000_000, START);
  assert.ok(fresh.path.chunk < fast.path.chunk / 100, 'what the fresh lane takes is a crumb');
  assert.equal(pick(lanes, bulk, START), null);
  fast.path.setFull(true, START);
  assert.equal(pick(lanes, bulk, START + 9), null);
  assert.equal(pick(lanes, bulk, START + 10), fresh);
  fast.path.setFull(false, START + 10);
  assert.equal(pick(lanes, bulk, START + 10), null, 'it was not full all the time');
  fast.bulkLimit = 0;
  assert.equal(pick(lanes, bulk, START + 10), fresh, 'a lane that is kept quick is not waited for');
});
