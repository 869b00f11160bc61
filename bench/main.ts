// Compares this project's proxies to others on this machine: npm run bench -- --help
import { UsageError } from '../src/core/usage-error.ts';
import { buildMeasures } from './builds.ts';
import { catalogue, slow } from './catalogue.ts';
import { congestionControl, defaultCongestionControl, runUnder } from './congestion.ts';
import { Lab, mostConnections } from './lab.ts';
import { Load } from './load.ts';
import {
  describeMachine,
  isInstalled,
  missingPackages,
  projectVersion,
  widenPath,
} from './machine.ts';
import type { Measure } from './measure.ts';
import { named } from './named.ts';
import { help, type Options, parseOptions } from './options.ts';
import { installAggTunnel } from './peers/agg-tunnel.ts';
import { keep, publish } from './report/store.ts';
import { barTable, failures, measureTable, versusTable } from './report/tables.ts';
import { textTable } from './report/text.ts';
import type { MeasureResult, RunResult } from './result.ts';
import { COMPILING, runRounds } from './rounds.ts';

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return say(help);
  const measures = choose(options);
  if (options.list)
    return say(measures.map(({ id, title }) => `${id.padEnd(18)} ${title}`).join('\n'));
  if (process.platform !== 'linux') throw new Error('the benchmark needs Linux: it reads /proc');
  widenPath();
  if (options.withAggTunnel) installAggTunnel();
  const { congestion } = options;
  if (congestion !== null && congestion !== congestionControl()) return runUnder(congestion);
  return measureAll(measures, options);
}

/** @throws {UsageError} if nothing is chosen */
function choose(options: Options): Measure[] {
  const all =
    options.against === null
      ? catalogue({
          ...options,
          connections: Math.min(options.connections, mostConnections()),
        })
      : buildMeasures(options.against, options.processes);
  if (options.only.length === 0)
    return all.filter(({ id }) => !options.isQuick || !slow.includes(id));
  const chosen = named(all, options.only);
  if (chosen.length === 0) {
    throw new UsageError(`no measure is called ${options.only.join(' or ')}; --list shows them`);
  }
  return chosen;
}

async function measureAll(measures: readonly Measure[], options: Options): Promise<number> {
  const machine = describeMachine();
  const congestion = congestionControl();
  const isDefault = congestion === defaultCongestionControl();
  const { processor, cores, kernel, node } = machine;
  say(
    `${processor}, ${cores} core${cores === 1 ? '' : 's'}, ${kernel}, ${congestion}, Node ${node}`,
  );
  warnOfMissing(measures);

  const lab = new Lab();
  process.once('exit', () => lab.close());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  const load = await Load.start();
  process.once('exit', () => load.kill());
  if (load.kind === 'node') {
    say(
      'no C compiler: the source and sink are a stand-in in JavaScript, and may be the bottleneck',
    );
  }

  const began = performance.now();
  const results: MeasureResult[] = [];
  const run = (): RunResult => ({ machine, congestion, isDefault, measures: results });
  for (const measure of measures) {
    const result = await measureOne(measure, lab, load, options);
    results.push(result);
    const table = options.against === null ? measureTable(result) : versusTable(result);
    const lines = [`\n${measure.id}: ${measure.title}`, textTable(table)];
    say([...lines, ...failures(result)].join('\n'));
  }
  load.kill();
  const judged = barTable([run()]);
  const measured = judged.rows.filter((cells) => cells[2] !== '–');
  if (measured.length > 0) say(`\n${textTable({ ...judged, rows: measured })}`);
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  const paths = [keep(run()), ...(options.write ? publish(run()) : [])];
  say(`\n${minutes} minutes; written: ${paths.join(', ')}`);
  return results.some(({ rows }) => rows.some(({ failure }) => failure !== null)) ? 1 : 0;
}

async function measureOne(
  measure: Measure,
  lab: Lab,
  load: Load,
  options: Options,
): Promise<MeasureResult> {
  const { id, title, note, baseline, figures } = measure;
  const present = measure.subjects.filter(({ needs }) => needs.every(isInstalled));
  const rounds = Math.min(options.rounds, measure.rounds ?? options.rounds);
  const context = { lab, load, duration: options.seconds * 1000 };
  const rows = await runRounds({ ...measure, subjects: present }, context, rounds, (step) =>
    showProgress(`${id}: ${step}`),
  );
  showProgress('');
  return {
    ...{ id, title, note, baseline, figures, rows, rounds },
    seconds: options.seconds,
    warmUp: measure.isFreshEachRound === true ? 0 : Math.max(options.seconds, COMPILING / 1000),
    load: load.kind,
    version: projectVersion(),
    date: new Date().toISOString().slice(0, 10),
  };
}

function warnOfMissing(measures: readonly Measure[]): void {
  const needed = measures.flatMap(({ subjects }) => subjects.flatMap(({ needs }) => needs));
  // The source and sink are in C, too.
  const packages = missingPackages([...needed, 'cc']);
  if (packages.length === 0) return;
  say(`left out for want of their programs; on Debian: apt install ${packages.join(' ')}`);
}

/** One line that is overwritten, on a terminal only. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
