import { scenarios } from './scenarios.ts';
import { World } from './world.ts';

const name = process.argv[2]!;
const step = Number(process.argv[3] ?? 200);
const from = Number(process.argv[4] ?? 0);
const to = Number(process.argv[5] ?? 1e9);
const scenario = scenarios().find((s) => s.name === name)!;
const world = new World(scenario.plan, {
  trace: (now, what) => {
    if (now >= from && now < to) console.log(now.toFixed(1), what);
  },
});
let last = 0;
const look = (): void => {
  const now = world.now();
  const up = world.channels[0]!.up;
  if (now >= from && now < to) {
    const ch = [...world.entry.session.channels][0];
    const peer = ch && world.exit.session.channels.get(ch.id);
    console.log(
      now.toFixed(0),
      ((up.deliveredBytes - last) / step).toFixed(0),
      'B/ms',
      'win',
      peer ? (peer.receive.window.size / 1024).toFixed(0) : '',
      'credit',
      ch?.send.credit,
      'q',
      ch?.send.queuedBytes,
      'held',
      world.exit.session.delivery.heldBytes,
      'resent',
      world.entry.session.transmitter.resentBytes,
      world.entry.session.lanes
        .map(
          (l) =>
            `${l.id}${l.health[0]} if${(l.inFlight / 1024).toFixed(0)}/${(l.path.cap / 1024).toFixed(0)} r${l.path.rate.toFixed(0)} m${l.path.minRtt.toFixed(0)} s${l.path.srtt.toFixed(0)} b${l.path.burst.toFixed(0)} late${l.late(now).toFixed(0)} eta${l.eta(0, now).toFixed(0)}${l.path.isProbing ? 'P' : ''}${l.isPaced ? ` paced ${l.path.sustainedRate.toFixed(0)} bl${(l.bulkLimit / 1024).toFixed(0)}` : ''}`,
        )
        .join(' | '),
    );
  }
  last = up.deliveredBytes;
  if (now < scenario.until + 500) world.clock.at(now + step, look);
};
world.clock.at(step, look);
for (const { up } of world.channels) {
  up.measureFrom = scenario.from;
  up.measureUntil = scenario.until;
}
const m = world.channels[1]!.up;
const push = m.delays.push.bind(m.delays);
m.delays.push = (d: number) => {
  if (d > Number(process.argv[6] ?? 1e9))
    console.log('   SLOW', world.now().toFixed(0), d.toFixed(0));
  return push(d);
};
world.run();
