import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Path } from '../../src/protocol/path.ts';
import { drive } from './route.ts';

/** `bytes` are acknowledged, all sent at `sentAt`, when nothing else was in flight. */
function ack(path: Path, now: number, bytes: number, sentAt: number | null, delay: number): void {
  const waitingSince = sentAt ?? now;
  const sample = sentAt === null ? null : { bytes, elapsed: now - sentAt };
  path.onAck(now, { bytes, sentAt, sample, waitingSince, delay, isOverdue: false });
}

test('before it knows anything it is careful, and its figures are usable', () => {
  const path = new Path();
  assert.ok(path.cap >= 16 * 1024 && path.cap <= 128 * 1024);
  assert.equal(path.srtt, 0);
  assert.ok(path.rate > 0 && Number.isFinite(path.arrival(0, 1_000)));
  assert.ok(path.chunk >= 1_460 && path.chunk <= path.cap / 4);
});

test('a route is filled, without a standing queue of more than the burst allowance', () => {
  for (const rate of [100, 1_000, 10_000]) {
    for (const rtt of [10, 40, 200]) {
      const path = new Path();
      drive(path, { rate, rtt }, 0, 4_000);
      const carried = drive(path, { rate, rtt }, 4_000 + rtt, 3_000);
      const where = `${rate} bytes/ms, ${rtt} ms`;
      assert.ok(carried > 0.9 * rate, `${where}: carries ${carried}`);
      assert.ok(Math.abs(path.rate / rate - 1) < 0.15, `${where}: estimates ${path.rate}`);
      assert.ok(path.minRtt >= rtt && path.minRtt < rtt + 25, `${where}: least RTT ${path.minRtt}`);
      const most = Math.max(1.3 * rate * (rtt + 2 * 25), 16 * 1_024 + 1_460);
      assert.ok(path.cap <= most, `${where}: cap ${path.cap}, at most ${most}`);
    }
  }
});

test('a lane that has little to carry does not count as slow', () => {
  const path = new Path();
  drive(path, { rate: 1_000, rtt: 40 }, 0, 3_000);
  const { rate } = path;
  for (let now = 4_000; now < 20_000; now += 200) ack(path, now, 100, now - 40, 0);
  assert.ok(path.rate > 0.8 * rate, `${path.rate} of ${rate}`);
});

test('the time for which the peer held an acknowledgement back is not the route’s', () => {
  const path = new Path();
  ack(path, 1_045, 100, 1_000, 5);
  assert.equal(path.minRtt, 40);
  assert.equal(path.srtt, 40);
});

test('one long silence is an outlier, two are a habit that the cap makes room for', () => {
  const path = new Path();
  drive(path, { rate: 1_000, rtt: 40 }, 0, 2_000);
  let now = 2_100;
  ack(path, now, 100, now - 40, 0);
  const { burst } = path;
  for (const [silence, habit] of [
    [300, 0],
    [200, 160],
  ] as const) {
    now += silence;
    ack(path, now, 100, now - silence, 0);
    assert.ok(path.habitualGap >= habit && path.habitualGap < habit + 50, `${path.habitualGap}`);
  }
  assert.ok(path.burst > burst && path.burst <= 1_000);
});

test('after a restart the rate is unknown and the cap is the first one; the RTT is kept', () => {
  const path = new Path();
  drive(path, { rate: 5_000, rtt: 40 }, 0, 3_000);
  const { srtt } = path;
  path.restart();
  assert.equal(path.cap, new Path().cap);
  assert.equal(path.srtt, srtt);
});

test('whatever acknowledgements come, all figures stay within their bounds', () => {
  const any = fc.record({
    elapsed: fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 50, noNaN: true }),
      fc.integer({ min: 0, max: 5_000 }),
    ),
    bytes: fc.integer({ min: 1, max: 1 << 20 }),
    age: fc.option(fc.integer({ min: 0, max: 3_000 })),
    delay: fc.integer({ min: 0, max: 6_553 }),
    isFull: fc.option(fc.boolean()),
  });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 100, size: 'max' }), (acks) => {
      const path = new Path();
      let now = 10_000;
      for (const { elapsed, bytes, age, delay, isFull } of acks) {
        now += elapsed;
        if (isFull !== null) path.setFull(isFull, now);
        if (path.wantsProbe(now)) path.startProbe(now);
        path.endProbe(now);
        ack(path, now, bytes, age === null ? null : now - age, delay);
        assert.ok(path.cap >= 2 * 1_460 && path.cap <= 8 << 20, `cap ${path.cap}`);
        assert.ok(path.chunk >= 1_460 && path.chunk <= 1 << 20, `chunk ${path.chunk}`);
        assert.ok(Number.isInteger(path.chunk));
        assert.ok(path.rate > 0 && Number.isFinite(path.rate), `rate ${path.rate}`);
        assert.ok(path.burst >= 25 && path.burst <= 1_000, `burst ${path.burst}`);
        assert.ok(path.minRtt > 0 && Number.isFinite(path.minRtt), `least RTT ${path.minRtt}`);
        assert.ok(path.tightCap(10) <= path.cap);
        const soon = path.arrival(0, 1);
        assert.ok(soon >= 0 && soon <= path.arrival(10_000, 1) && Number.isFinite(soon));
      }
    }),
    { numRuns: 200 },
  );
});

test('a short route that loses what a kernel has no room for gets less for a while, a long one does not', () => {
  const [fast, far] = [new Path(), new Path()];
  drive(fast, { rate: 500_000, rtt: 0.2 }, 0, 500);
  drive(far, { rate: 500_000, rtt: 20 }, 0, 500);
  const before = [fast.cap, far.cap];
  for (const path of [fast, far]) {
    ack(path, 801, 1_000, 600, 0);
    for (let now = 802; now < 812; now += 1) ack(path, now, 1_000, now - 1, 0);
  }
  const most = fast.rate * fast.minRtt + 512 * 1_024;
  assert.ok(fast.cap <= most && fast.cap < before[0]! / 3, `${fast.cap} of ${before[0]}`);
  assert.ok(far.cap >= before[1]! / 2, `${far.cap} of ${before[1]}`);
  drive(fast, { rate: 500_000, rtt: 0.2 }, 601_000, 500);
  assert.ok(fast.cap >= before[0]! / 2, `${fast.cap} again`);
});
