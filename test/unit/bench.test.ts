import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barsFor, find, isMet } from '../../bench/bars.ts';
import { catalogue } from '../../bench/catalogue.ts';
import type { Measure, Sample } from '../../bench/measure.ts';
import { named } from '../../bench/named.ts';
import { sharesOf } from '../../bench/profiler.ts';
import { markdownPage } from '../../bench/report/markdown.ts';
import { withRun } from '../../bench/report/store.ts';
import { barTable, measureTable, versusTable } from '../../bench/report/tables.ts';
import { type MeasureResult, platformOf, type Row, type RunResult } from '../../bench/result.ts';
import { runRounds } from '../../bench/rounds.ts';
import { median, ratio, spread } from '../../bench/statistics.ts';

test('medians, spreads and ratios leave out rounds without a value', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.deepEqual(spread([null, 3, 1, 8]), { median: 3, least: 1, most: 8 });
  assert.equal(spread([null]), null);
  // Pair by pair: 2/1, 6/2, and nothing for the round that only one side has.
  assert.equal(ratio([2, 6, 9], [1, 2, null])?.median, 2.5);
  assert.equal(ratio([1], []), null);
  assert.deepEqual(ratio([3], [2]), { median: 1.5, error: Number.NaN });
});

test('rounds alternate, and who fails is out while the others go on', async () => {
  const order: string[] = [];
  const subject = (name: string, sample: (round: number) => Sample) => {
    let round = 0;
    return {
      name,
      needs: [],
      open: async () => void order.push(`open ${name}`),
      sample: async () => {
        order.push(name);
        return sample(round++);
      },
      close: async () => void order.push(`close ${name}`),
    };
  };
  const measure: Measure = {
    id: 'm',
    title: '',
    note: '',
    figures: [{ key: 'x', title: 'x', digits: 0 }],
    baseline: 'A',
    subjects: [
      subject('A', (round) => ({ x: round })),
      subject('B', (round) => {
        if (round === 2) throw new Error('it broke');
        return { x: 10 * round };
      }),
    ],
  };
  const context = { duration: 1 } as Parameters<typeof runRounds>[1];
  const rows = await runRounds(measure, context, 3, () => {});
  assert.deepEqual(order, [
    ...['open A', 'A', 'open B', 'B', 'A', 'B', 'A', 'B', 'A'],
    ...['close A', 'close B'],
  ]);
  assert.deepEqual(rows, [
    { subject: 'A', values: { x: [1, 2, 3] }, failure: null },
    { subject: 'B', values: { x: [10, null, null] }, failure: 'it broke' },
  ]);
});

test('processes of one name share a row, each beside its neighbour', async () => {
  const rate = { key: 'x', title: 'rate', digits: 1 };
  const subject = (name: string, x: number) => ({
    ...{ name, needs: [] },
    open: async () => {},
    sample: async () => ({ x }),
    close: async () => {},
  });
  const subjects = [subject('A', 1), subject('B', 2), subject('A', 10), subject('B', 40)];
  const measure = { id: 'm', title: '', note: '', figures: [rate], baseline: 'A', subjects };
  const context = { duration: 1 } as Parameters<typeof runRounds>[1];
  const rows = await runRounds(measure, context, 2, () => {});
  assert.deepEqual(rows, [
    { subject: 'A', values: { x: [1, 1, 10, 10] }, failure: null },
    { subject: 'B', values: { x: [2, 2, 40, 40] }, failure: null },
  ]);
  // 2, 2, 4 and 4 times as many: a standard deviation of 1.155 over four pairs.
  assert.deepEqual(
    versusTable({ ...measureOf('m', rows), figures: measure.figures, baseline: 'A' }),
    {
      header: ['', 'A', 'B', '×', '±'],
      rows: [['rate', '5.5', '21.0', '3.000', '0.724']],
    },
  );
});

test('every bar names a measure, a figure and subjects that exist', () => {
  const all = catalogue({ isQuick: false, withAggTunnel: true, connections: 10_000 });
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  for (const bar of barsFor(runOf([]))) {
    const measure = all.find(({ id }) => id === bar.measure);
    assert.ok(measure, bar.claim);
    const names = measure.subjects.map(({ name }) => name);
    assert.ok(
      measure.figures.some(({ key }) => key === bar.figure),
      bar.claim,
    );
    const { node, c } = bar.floors ?? { node: [], c: [] };
    for (const name of [bar.subject, ...bar.rivals, ...node, ...c])
      assert.ok(names.includes(name), bar.claim);
  }
  for (const { id, baseline, subjects } of all) {
    assert.ok(
      subjects.some(({ name }) => name === baseline),
      id,
    );
  }
});

test('a whole name means that measure alone, any other those whose names begin so', () => {
  const all = ['bulk', 'bulk-8', 'bulk-8-pull', 'ping'].map((id) => ({ id }));
  const ids = (...names: string[]) => named(all, names).map(({ id }) => id);
  assert.deepEqual(ids('bulk'), ['bulk']);
  assert.deepEqual(ids('bulk-'), ['bulk-8', 'bulk-8-pull']);
  assert.deepEqual(ids('pi', 'bulk-8'), ['bulk-8', 'ping']);
  assert.deepEqual(ids('none'), []);
});

test('the best rival is the one that does best against us, whatever its median', () => {
  const rows: Row[] = [
    row('HAProxy twice', [1, 1, 1]),
    row('HAProxy twice, 64 KiB', [3, 5, 1]),
    row('nginx twice, 256 KiB', [2, 8, 2]),
    row('striped, 8 lanes', [1, 4, 4]),
  ];
  const run = runOf([measureOf('bulk', rows)]);
  assert.deepEqual(find(barsFor(run)[1]!, run), { value: 0.5, rival: 'nginx twice, 256 KiB' });
});

test('a bar is judged against the best rival, and stays in the page when it is missed', () => {
  const rows: Row[] = [
    row('HAProxy twice', [1, 1]),
    row('HAProxy twice, 64 KiB', [2, 4]),
    row('nginx twice, 256 KiB', [1, 1]),
    row("Node's own pipe, twice", [1, 1]),
    row('bare relay in C, twice', [4, 4]),
    row('relay twice', [3, 3]),
    row('striped, 8 lanes', [2, 2]),
  ];
  const run = runOf([measureOf('bulk', rows)]);
  const [first, second, , cpu] = barsFor(run);
  assert.deepEqual(find(first!, run), { value: 2, rival: null });
  assert.ok(isMet(first!, { value: 2, rival: null }));
  assert.deepEqual(find(second!, run), { value: 0.75, rival: 'HAProxy twice, 64 KiB' });
  assert.ok(!isMet(second!, { value: 0.75, rival: null }));
  assert.equal(find(cpu!, run), null);

  const table = barTable([run, { ...run, congestion: 'other', isDefault: false }]);
  assert.deepEqual(table.header, ['', 'bar', 'bbr', 'other', '', 'floor in Node', 'floor in C']);
  assert.deepEqual(table.rows[0]?.slice(1), [
    ...[
      '≥ 1.70×',
      '2.00×',
      '2.00×',
      'met',
      '3.00× (relay twice)',
      '4.00× (bare relay in C, twice)',
    ],
  ]);
  assert.equal(table.rows[1]?.at(-3), 'missed');
  assert.equal(table.rows[2]?.at(-1), '', 'what is only reported has no floor');
  assert.equal(table.rows[3]?.at(-1), '–', 'not measured');
  assert.deepEqual(measureTable(run.measures[0]!).rows[1], [
    ...['HAProxy twice, 64 KiB', '3.00', '2.00–4.00', '3.00'],
  ]);
  assert.match(markdownPage([run]), /\| 0\.75× \(HAProxy twice, 64 KiB\) \| missed \|/);
});

test('each processor and release of Node has its own bars and figures in the page', () => {
  const run = runOf([measureOf('bulk', [row('HAProxy twice', [1]), row('striped, 8 lanes', [2])])]);
  const other = { ...run, machine: { ...run.machine, processor: 'another', node: 'v22.1.0' } };
  const page = markdownPage([run, { ...run, congestion: 'cubic', isDefault: false }, other]);
  const platform = platformOf(run);
  assert.deepEqual(page.match(/^#{2,3} (On|Figures) .*$/gm), [
    ...[`### On ${platform}`, '### On another, Node 22'],
    ...[
      `## Figures on ${platform}, under bbr, its default`,
      `## Figures on ${platform}, under cubic`,
    ],
    '## Figures on another, Node 22, under bbr, its default',
  ]);
  assert.match(page, /\| bar \| bbr \| cubic \|/);
  assert.match(page, /\| bar \| bbr \| {2}\|/);
});

test('a run takes the place of what it measured anew on its platform, and of nothing else', () => {
  const [bulk, ping, newer] = [[1], [2], [3]].map((rate) => [row('HAProxy twice', rate)]);
  const before = runOf([measureOf('bulk', bulk!), measureOf('ping', ping!)]);
  const now = runOf([measureOf('bulk', newer!), measureOf('tls', newer!)]);
  assert.deepEqual(withRun([before], now), [
    { ...now, measures: [now.measures[0], before.measures[1], now.measures[1]] },
  ]);

  const cubic = { ...now, congestion: 'cubic', isDefault: false };
  const later = { ...now, machine: { ...now.machine, node: 'v100.1.0' } };
  const patched = { ...before, machine: { ...before.machine, node: `${before.machine.node}.1` } };
  assert.deepEqual(
    [later, cubic, patched].reduce(withRun, [before]),
    [{ ...patched, measures: before.measures }, cubic, later],
    'in the order of Node’s releases, the default first',
  );
});

test('samples are told apart by thread, file and symbol', () => {
  const script = [
    '23544/23544  ffffffff81b6ab30 _copy_to_iter ([kernel.kallsyms])',
    '23544/23544  ffffffff81b6a460 _copy_from_iter ([kernel.kallsyms])',
    '23544/23544  ffffffff81a00b10 copy_user_enhanced_fast_string ([kernel.kallsyms])',
    '23544/23544  ffffffff816ac6a4 __check_object_size ([kernel.kallsyms])',
    '  536/536        7f135808d044 [unknown] (/tmp/perf-536.map)',
    '  536/536        7f135808d044 JS:*write file.js:7:3 ([JIT] tid 536)',
    '  536/536            1ed29ab uv__read (/usr/bin/node (deleted))',
    '  536/540            1ed29ab v8::internal::Scavenger (/usr/bin/node)',
    '  536/540  ffffffff81b6ab30 _copy_to_iter ([kernel.kallsyms])',
    '  536/536            1ed29ab _aesni_ctr32_ghash_6x (/usr/bin/node)',
    '  711/711              29ab0 [unknown] (/usr/lib/x86_64-linux-gnu/libcrypto.so.3)',
    '  711/711              29ab0 SSL_read (/usr/lib/x86_64-linux-gnu/libssl.so.3)',
    '',
  ].join('\n');
  assert.deepEqual(sharesOf(script), {
    ...{ copies: 3 / 12, kernel: 1 / 12, cipher: 2 / 12 },
    ...{ javascript: 2 / 12, program: 2 / 12, threads: 2 / 12 },
  });
  assert.throws(() => sharesOf(''), /perf has seen nothing/);
});

function row(subject: string, rate: number[]): Row {
  return { subject, values: { rate }, failure: null };
}

function measureOf(id: string, rows: readonly Row[]): MeasureResult {
  return {
    ...{ id, rows, title: '', note: '', baseline: 'HAProxy twice', rounds: 2, seconds: 1 },
    ...{ warmUp: 3, load: 'c', version: '0', date: '' },
    figures: [{ key: 'rate', title: 'GB/s', digits: 2 }],
  };
}

function runOf(measures: readonly MeasureResult[]): RunResult {
  const machine = {
    processor: 'X1',
    cores: 2,
    memoryGiB: 1,
    kernel: '',
    node: 'v20.0.0',
    peers: {},
  };
  return { machine, congestion: 'bbr', isDefault: true, measures };
}
