import type { WorldPlan } from './plan.ts';
import { World } from './world.ts';

const link = { rate: 1000, delay: 20, buffer: 1 << 20, piece: 2000 };
const plan: WorldPlan = {
  seed: 1,
  scheduler: 'adaptive',
  routes: [0, 1, 2, 3].map(() => ({ up: link, down: link })),
  redialAfter: 200,
  channels: [
    {
      opensAt: 100,
      answersAfter: 1,
      entry: {
        writes: { kind: 'bulk', bytes: 4e7, chunk: 65536, until: 10000 },
        reads: { kind: 'eager' },
      },
      exit: { writes: { kind: 'nothing', ends: 'last' }, reads: { kind: 'eager' } },
    },
    {
      opensAt: 100,
      answersAfter: 1,
      entry: {
        writes: { kind: 'messages', size: 100, every: 100, count: 95 },
        reads: { kind: 'eager' },
      },
      exit: { writes: { kind: 'nothing', ends: 'last' }, reads: { kind: 'eager' } },
    },
  ],
  faults: [],
  sessionWindow: 16 << 20,
  initialWindow: 256 << 10,
  sendBudget: 64 << 20,
  maxChannels: 1000,
  usesSlabs: false,
  limit: 60_000,
};
const t = performance.now();
const world = new World(
  plan,
  process.argv[2] ? { trace: (now, what) => console.log(now.toFixed(1), what) } : {},
);
for (const c of world.channels) {
  c.up.measureFrom = 2000;
  c.up.measureUntil = 10000;
}
const iv = (): void => {
  for (const end of [world.entry, world.exit]) {
    console.log(
      world.now().toFixed(0),
      end.role,
      [...end.session.channels]
        .map((c) =>
          [
            c.id,
            c.send.state,
            c.send.next,
            c.send.queuedBytes,
            c.send.outstandingBytes,
            c.receive.state,
            c.receive.finalOffset,
            c.receive.next,
          ].join(':'),
        )
        .join(' '),
      '|',
      end.session.lanes
        .map((l) => [l.id, l.health, l.inFlight, l.ackDueAt, [...l.flights].length].join(':'))
        .join(' '),
      'deadline',
      end.session.nextDeadline(world.now()),
    );
  }
};
if (process.argv[2])
  for (let t = 9900; t < 21000; t += t > 10300 ? 1000 : 20) world.clock.at(t, iv);
try {
  world.run();
} catch (e) {
  console.log((e as Error).message);
  for (const c of world.entry.session.channels)
    console.log(
      c.id,
      c.send.state,
      c.receive.state,
      c.send.next,
      c.send.outstandingBytes,
      c.receive.finalOffset,
      c.isPaused,
      c.owesFinAcked,
    );
  for (const end of [world.entry, world.exit])
    for (const l of end.session.lanes)
      console.log(
        end.role,
        l.id,
        l.sentBytes,
        l.ackedBytes,
        l.receivedBytes,
        l.ackDueAt,
        [...l.flights].map((f) => [f.item.kind, f.end, f.sentAt]),
      );
}
const f = world.channels[0]!.up;
const m = world.channels[1]!.up.delays.sort((a, b) => a - b);
console.log(
  'now',
  world.now(),
  'events',
  world.events,
  'ms',
  (performance.now() - t).toFixed(0),
  'eff',
  f.measuredBytes / 8000 / 4000,
  'gap',
  f.longestGap,
  'p50',
  m[m.length >> 1],
  'p99',
  m[m.length - 1],
  'held',
  world.inspector.peakHeld,
  'resent',
  world.entry.session.transmitter.resentBytes,
);
