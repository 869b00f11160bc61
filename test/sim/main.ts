import process from 'node:process';
import { parseArgs } from 'node:util';
import { randomPlan } from './random-plan.ts';
import { writeTable } from './report.ts';
import { scenarios } from './scenarios.ts';
import { Search } from './search.ts';
import { largestPlan } from './small-plans.ts';
import { renderRow, renderTable } from './table.ts';
import { traceStates } from './trace.ts';
import { World } from './world.ts';

const USAGE = `npm run sim -- [--worlds N] [--from SEED] [--thorough]
    runs random worlds and prints the seeds of those that break a promise
npm run sim -- --seed N [--trace [MS]]
    replays one world; --trace shows what happens, and the state of both ends every MS
npm run sim -- --table
    runs the scenarios and rewrites the table of docs/simulation.md
npm run sim -- --scenario NAME [--trace [MS]]
    runs one of them
npm run sim -- --search [--most HISTORIES]
    tries all that can happen in a small world, larger than those of the tests`;

const { values, positionals } = readArguments();
const every = values.trace ? Number(positionals[0] ?? Number.POSITIVE_INFINITY) : null;

if (values.help) console.log(USAGE);
else if (values.table) writeTable(renderTable((row) => console.log(row)));
else if (values.search) searchSmallWorld(Number(values.most));
else if (values.scenario !== undefined) runScenario(values.scenario);
else if (values.seed !== undefined) replay(Number(values.seed));
else runWorlds(Number(values.from), Number(values.worlds));

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        worlds: { type: 'string', default: '300' },
        from: { type: 'string', default: '1' },
        thorough: { type: 'boolean', default: false },
        seed: { type: 'string' },
        trace: { type: 'boolean', default: false },
        table: { type: 'boolean', default: false },
        scenario: { type: 'string' },
        search: { type: 'boolean', default: false },
        most: { type: 'string', default: 'Infinity' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    process.exit(2);
  }
}

function runWorlds(from: number, count: number): void {
  const start = performance.now();
  let events = 0;
  let failed = 0;
  for (let seed = from; seed < from + count; seed += 1) {
    const world = new World(randomPlan(seed), { isThorough: values.thorough });
    try {
      world.run();
    } catch (error) {
      failed += 1;
      const message = error instanceof Error ? error.message : String(error);
      console.log(`seed ${seed}, at ${world.now().toFixed(1)} ms: ${message}`);
      console.log(`    replay: npm run sim -- --seed ${seed} --trace`);
    }
    events += world.events;
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${count} worlds, ${failed} failed, ${events} events, ${seconds} s`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function searchSmallWorld(most: number): void {
  const { states, ends, runs, left } = new Search(largestPlan).run(most);
  console.log(`${states} states, ${ends} ends, ${runs} histories; ${left} choices left to try`);
}

/** Looks at every queue after every event, so that the first wrong one is found. */
function replay(seed: number): void {
  const plan = randomPlan(seed);
  console.log(JSON.stringify(plan, null, 1));
  const world = traced(plan);
  world.run();
  console.log(
    `seed ${seed}: all is well after ${world.now().toFixed(1)} ms, ${world.events} events`,
  );
}

function runScenario(name: string): void {
  const scenario = scenarios().find((candidate) => candidate.name === name);
  if (scenario === undefined) {
    const names = scenarios().map((candidate) => `  ${candidate.name}`);
    console.error(`no scenario is called '${name}'; there are\n${names.join('\n')}`);
    process.exit(2);
  }
  if (every !== null) traced(scenario.plan).run();
  console.log(renderRow(scenario));
}

function traced(plan: World['plan']): World {
  const print = (line: string): void => console.log(line);
  if (every === null) return new World(plan, { isThorough: true });
  const trace = (now: number, what: string): void => print(`${now.toFixed(1)} ${what}`);
  const world = new World(plan, { isThorough: true, trace });
  if (Number.isFinite(every)) traceStates(world, every, print);
  return world;
}
