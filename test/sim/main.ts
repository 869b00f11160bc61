import { parseArgs } from 'node:util';
import { measure } from './measure.ts';
import { randomPlan } from './random-plan.ts';
import { scenarios } from './scenarios.ts';
import { renderRow } from './table.ts';
import { World } from './world.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    worlds: { type: 'string' },
    from: { type: 'string' },
    trace: { type: 'boolean' },
    table: { type: 'boolean' },
    only: { type: 'string' },
    thorough: { type: 'boolean' },
  },
});

if (values.table) {
  const start = performance.now();
  for (const scenario of scenarios()) {
    if (values.only && !scenario.name.includes(values.only)) continue;
    const t = performance.now();
    const figures = measure(scenario);
    console.log(renderRow(scenario, figures), (performance.now() - t).toFixed(0));
  }
  console.log(((performance.now() - start) / 1000).toFixed(1), 's');
} else if (values.seed !== undefined) {
  const plan = randomPlan(Number(values.seed));
  console.log(JSON.stringify(plan, null, 1));
  const world = new World(plan, {
    isThorough: true,
    ...(values.trace && {
      trace: (now: number, what: string) => console.log(now.toFixed(1), what),
    }),
  });
  world.run();
  console.log('ok', world.now(), world.events);
} else {
  const from = Number(values.from ?? 1);
  const count = Number(values.worlds ?? 300);
  const fails = new Map<string, number[]>();
  let events = 0;
  const start = performance.now();
  const slow: [number, number][] = [];
  for (let seed = from; seed < from + count; seed += 1) {
    const t = performance.now();
    let world: World | null = null;
    try {
      world = new World(randomPlan(seed), { isThorough: values.thorough ?? false });
      world.run();
    } catch (error) {
      const text = String((error as Error).message)
        .split('\n')[0]!
        .replace(/\d+/g, '#')
        .slice(0, 100);
      fails.set(text, [...(fails.get(text) ?? []), seed]);
    }
    events += world?.events ?? 0;
    slow.push([performance.now() - t, seed]);
  }
  slow.sort((a, b) => b[0] - a[0]);
  console.log(
    `${count} worlds, ${events} events, ${((performance.now() - start) / 1000).toFixed(1)} s; slowest`,
    slow
      .slice(0, 5)
      .map(([t, s]) => `${s}: ${t.toFixed(0)}`)
      .join(' '),
  );
  for (const [text, seeds] of [...fails].sort((a, b) => b[1].length - a[1].length))
    console.log(seeds.length, text, seeds.slice(0, 6).join(' '));
}
