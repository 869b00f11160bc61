// Measures entry and exit across a packet-level emulator: npm run paths -- --help
import { UsageError } from '../../src/core/usage-error.ts';
import { describeMachine, projectVersion } from '../machine.ts';
import { named } from '../named.ts';
import { Emulator, emulatorIn } from './emulator.ts';
import { faultScenarios } from './faults.ts';
import { help, type Options, parseOptions } from './options.ts';
import { pageOf, textOf } from './report.ts';
import type { Sample, Scenario } from './scenario.ts';
import { steadyScenarios } from './steady.ts';
import { merged, page, publish, published, type Result } from './store.ts';
import { Trial } from './trial.ts';

/** s for setting up a run and for letting what is under way arrive. */
const OVERHEAD = 2;
let current: Trial | null = null;
const all = [...steadyScenarios(), ...faultScenarios()];

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return say(help);
  const scenarios = choose(options.only);
  if (options.list) return say(all.map(({ id, title }) => `${id.padEnd(18)} ${title}`).join('\n'));
  if (options.lab === null) {
    return say('skipped: no emulator was named, by --lab FOLDER or TCP_STRIPER_LAB');
  }
  if (process.getuid?.() !== 0) return say('skipped: network namespaces need root');

  const emulator = new Emulator(emulatorIn(options.lab));
  process.once('exit', () => {
    current?.pair.kill();
    emulator.close();
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  const seconds = scenarios.reduce((sum, one) => sum + one.seconds + OVERHEAD, 0);
  const minutes = (seconds * options.runs * options.congestions.length) / 60;
  say(`${scenarios.length} cases, about ${Math.ceil(minutes)} minutes`);

  const results: Result[] = [];
  for (const scenario of scenarios) {
    for (const congestion of options.congestions) {
      const result = await measure(scenario, congestion, emulator, options);
      results.push(result);
      say(textOf(scenario, result));
    }
  }
  if (options.write) {
    const every = merged(published(), results);
    publish(every, pageOf(all, every, describeMachine()));
    say(`written: ${page}`);
  }
  return results.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

/** @throws {UsageError} if nothing is chosen */
function choose(only: readonly string[]): Scenario[] {
  if (only.length === 0) return all.filter(({ isSlow = false }) => !isSlow);
  const chosen = named(all, only);
  if (chosen.length > 0) return chosen;
  throw new UsageError(`no case is called ${only.join(' or ')}; --list shows them`);
}

async function measure(
  scenario: Scenario,
  congestion: string,
  emulator: Emulator,
  { runs, verbose }: Options,
): Promise<Result> {
  const samples: Sample[] = [];
  const failures: string[] = [];
  const complaints = new Set<string>();
  for (let run = 0; run < runs; run += 1) {
    try {
      await emulator.up(congestion, scenario.paths);
      const sample = await once(scenario, emulator);
      samples.push(sample);
      if (verbose) say(`    ${JSON.stringify(sample)}`);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
    const complaint = await emulator.complaint();
    if (complaint !== null) complaints.add(complaint);
  }
  const complaint = complaints.size === 0 ? null : [...complaints].join('; ');
  const date = new Date().toISOString().slice(0, 10);
  const version = projectVersion();
  return { id: scenario.id, congestion, samples, failures, complaint, date, version };
}

async function once(scenario: Scenario, emulator: Emulator): Promise<Sample> {
  const trial = await Trial.start(emulator, scenario);
  current = trial;
  try {
    const sample = await scenario.run(trial);
    await trial.finish();
    return sample;
  } finally {
    await trial.close();
    current = null;
  }
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
