import { randomPlan } from './random-plan.ts';
import { World } from './world.ts';

const from = Number(process.argv[2] ?? 1);
const count = Number(process.argv[3] ?? 500);
const rows: {
  seed: number;
  over: number;
  share: number;
  dup: number;
  resent: number;
  payload: number;
  s: string;
}[] = [];
for (let seed = from; seed < from + count; seed += 1) {
  const plan = randomPlan(seed);
  const world = new World(plan);
  try {
    world.run();
  } catch {
    console.log('FAIL', seed);
    continue;
  }
  for (const [a, b] of [
    [world.entry, world.exit],
    [world.exit, world.entry],
  ] as const) {
    const dup = b.session.delivery.duplicateBytes;
    const payload = a.session.transmitter.payloadBytes;
    rows.push({
      seed,
      over: dup - 0.05 * payload - 512 * 1024,
      share: dup / Math.max(1, payload),
      dup,
      resent: a.session.transmitter.resentBytes,
      payload,
      s: `${plan.scheduler} ${plan.faults.map((f) => f.kind).join(',')} ${plan.routes.length}`,
    });
  }
}
rows.sort((x, y) => y.over - x.over);
for (const r of rows.slice(0, 12)) console.log(r);
console.log('median share', rows.map((r) => r.share).sort((x, y) => x - y)[rows.length >> 1]);
