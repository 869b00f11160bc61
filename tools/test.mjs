// Runs the tests, stage by stage: what `npm test` does once the build is done.
//
//   npm test                      all stages but those that must be asked for
//   npm test -- unit laws         these stages
//   npm test -- --grep 'half.*'   tests whose name matches, in all stages
//
// A stage is a folder of test/. Only files whose source is there are run, each in a process of its
// own that must end by itself: an open handle is a failure, not a wait.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { Readable } from 'node:stream';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { inspect, parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cores = Math.min(4, availableParallelism());

/** In this order. `atOnce`: files run together; `limit`: seconds that one file may take. */
const stages = [
  { name: 'lint', check: lint },
  { name: 'unit', atOnce: cores, limit: 60 },
  { name: 'laws', atOnce: cores, limit: 60 },
  { name: 'prop', atOnce: cores, limit: 120 },
  { name: 'sim', atOnce: cores, limit: 240 },
  { name: 'e2e', atOnce: 1, limit: 240 },
  { name: 'soak', atOnce: 1, limit: 240 },
  { name: 'fuzz', atOnce: cores, limit: 240 },
  { name: 'real', atOnce: 1, limit: 600 },
  // Shapers and policers of the kernel: bars of single runs, for a quiet machine only.
  { name: 'kernel', atOnce: 1, limit: 600, isAskedFor: true },
];

// Stack traces of the test processes name lines of the sources.
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --enable-source-maps`.trim();
const stopped = new AbortController();
const total = emptyCount();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopped.abort());

const { chosen, grep } = readArguments();
const began = performance.now();
for (const stage of chosen) {
  if (stopped.signal.aborted) break;
  await runStage(stage);
}
if (stopped.signal.aborted) fail('the run was interrupted');
if (total.tests === 0) fail('no test was run');

print('');
for (const [name, count] of Object.entries(total)) print(`# ${name} ${count}`);
print(`# duration_ms ${Math.round(performance.now() - began)}`);
print(`${total.pass} passed, ${total.fail} failed, ${total.skipped + total.todo} skipped`);
process.exitCode = total.fail === 0 ? 0 : 1;

function readArguments() {
  const names = stages.map((stage) => stage.name);
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { grep: { type: 'string' } },
    });
    const unknown = positionals.find((name) => !names.includes(name));
    if (unknown !== undefined) throw new Error(`no stage is called '${unknown}'`);
    if (values.grep !== undefined) new RegExp(values.grep);
    const usual = stages.filter((stage) => !stage.isAskedFor).map((stage) => stage.name);
    const asked = positionals.length > 0 ? positionals : values.grep ? usual.slice(1) : usual;
    return { chosen: stages.filter((stage) => asked.includes(stage.name)), grep: values.grep };
  } catch (error) {
    console.error(`${error.message}\nusage: npm test -- [${names.join('|')}]... [--grep PATTERN]`);
    process.exit(2);
  }
}

async function runStage(stage) {
  print(`\n== ${stage.name} ${'='.repeat(60 - stage.name.length)}`);
  const start = performance.now();
  const before = { ...total };
  if (stage.check !== undefined) stage.check();
  else await runFiles(stage);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const ran = total.tests - before.tests;
  const failed = total.fail - before.fail;
  print(`-- ${stage.name}: ${ran} run, ${failed} failed, ${seconds} s`);
}

function lint() {
  const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const colours = process.stdout.isTTY ? [] : ['--colors=off'];
  const done = spawnSync(process.execPath, [biome, 'ci', ...colours, '.'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (done.status === 0) count('pass');
  else fail('biome ci . (npm run format repairs what it can)');
}

async function runFiles(stage) {
  const sources = testSources(stage.name);
  if (sources.length === 0) return print('no test files');
  const ran = total.tests;
  const waiting = [...sources];
  const worker = async () => {
    while (waiting.length > 0 && !stopped.signal.aborted) await runFile(waiting.shift(), stage);
  };
  await Promise.all(Array.from({ length: stage.atOnce }, worker));
  if (total.tests === ran && grep === undefined) fail(`stage ${stage.name} has files but no test`);
}

/** Paths from the root, such as test/unit/layers.test.ts. */
function testSources(stage) {
  const folder = join('test', stage);
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(folder, name))
    .sort();
}

async function runFile(source, stage) {
  const compiled = join(root, 'dist', source.replace(/\.ts$/, '.js'));
  if (!existsSync(compiled)) return fail(`${source} is not compiled: run 'npm run build'`);
  const limit = stage.limit * 1000;
  const tooLong = AbortSignal.timeout(limit + 5_000); // Node >= 24 applies `timeout` to tests, not files
  const events = run({
    files: [compiled],
    timeout: limit,
    signal: AbortSignal.any([tooLong, stopped.signal]),
    ...(grep !== undefined && { testNamePatterns: [grep] }),
  });
  const kept = [];
  for await (const event of events) {
    if (!isNoise(event)) kept.push(...verdict(event, source, compiled, limit));
  }
  // Printed whole, so that files that run side by side do not mix.
  if (process.stdout.isTTY) await printAsSpec(kept, source);
  else printCompact(kept, source);
}

/** Counts a result, and turns what Node says about the file as a whole into what it means here. */
function verdict(event, source, compiled, limit) {
  const { type, data } = event;
  if (type !== 'test:pass' && type !== 'test:fail') return [event];
  const failure = data.details.error?.failureType;
  if (data.name === compiled) {
    if (type === 'test:pass' && grep !== undefined) return [];
    const ended = failure !== 'testTimeoutFailure' && failure !== 'testAborted';
    const meaning =
      type === 'test:pass'
        ? 'holds no test'
        : ended
          ? `failed outside its tests: ${data.details.error?.message}`
          : `did not end within ${limit / 1000} s: a test hangs, or something is left open`;
    count('fail');
    const error = { cause: meaning };
    return [{ type: 'test:fail', data: { ...data, name: source, details: { error } } }];
  }
  const isSuite = data.details.type === 'suite';
  if (data.todo !== undefined) count('todo');
  else if (data.skip !== undefined) count('skipped');
  else if (type === 'test:fail' && !(isSuite && failure === 'subtestsFailed')) count('fail');
  else if (!isSuite) count('pass');
  return [event];
}

function isNoise({ type, data }) {
  if (type === 'test:pass' && data.skip === 'test name does not match pattern') return true;
  if (type !== 'test:diagnostic') return !/^test:(pass|fail|stdout|stderr)$/.test(type);
  return /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(data.message);
}

async function printAsSpec(events, source) {
  if (events.length === 0) return;
  print(source);
  for await (const text of Readable.from(events).compose(new spec())) process.stdout.write(text);
}

/** A line per file; names only of what was skipped or failed. */
function printCompact(events, source) {
  const results = events.filter(({ type }) => type === 'test:pass' || type === 'test:fail');
  const tests = results.filter(({ data }) => data.details.type !== 'suite');
  if (tests.length > 0) print(`${source}: ${tests.length} test${tests.length === 1 ? '' : 's'}`);
  for (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr') process.stdout.write(data.message);
    else if (type === 'test:diagnostic') print(`   # ${data.message}`);
    else if (data.todo !== undefined) print(`   todo: ${data.name} (${data.todo})`);
    else if (data.skip !== undefined) print(`   skipped: ${data.name} (${data.skip})`);
    else if (type === 'test:fail') printFailure(data);
  }
}

function printFailure({ name, details: { error } }) {
  print(`   FAILED ${name}`);
  if (error?.failureType === 'subtestsFailed') return;
  const cause = error?.cause ?? error;
  const isPlain = typeof cause === 'string';
  const text = isPlain ? cause : cause?.code === 'ERR_ASSERTION' ? cause.stack : inspect(cause);
  print(text.replaceAll(/^/gm, '      '));
}

function count(result) {
  total.tests += 1;
  total[result] += 1;
}

function fail(message) {
  print(`   FAILED ${message}`);
  count('fail');
}

function emptyCount() {
  return { tests: 0, pass: 0, fail: 0, skipped: 0, todo: 0 };
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
