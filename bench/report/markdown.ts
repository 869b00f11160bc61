import { type MeasureResult, platformOf, type RunResult } from '../result.ts';
import { barTable, failures, measureTable, type Table } from './tables.ts';

/** The page that the project publishes. */
export function markdownPage(runs: readonly RunResult[]): string {
  const platforms = byPlatform(runs);
  return `${[
    introduction,
    '## Where and how',
    platforms.map((those) => `- ${where(those)}`).join('\n'),
    how,
    '## Bars',
    barText,
    ...platforms.flatMap((those) => [
      ...(platforms.length > 1 ? [`### On ${platformOf(those[0]!)}`] : []),
      markdownTable(barTable(those)),
    ]),
    ...runs.flatMap(runSections),
    '## Run it yourself',
    yourself,
  ].join('\n\n')}\n`;
}

/** The runs of each platform, in their order. */
function byPlatform(runs: readonly RunResult[]): RunResult[][] {
  const names = [...new Set(runs.map(platformOf))];
  return names.map((name) => runs.filter((run) => platformOf(run) === name));
}

function runSections(run: RunResult): string[] {
  const { congestion, isDefault, measures } = run;
  const suffix = isDefault ? ', its default' : '';
  return [
    `## Figures on ${platformOf(run)}, under ${congestion}${suffix}`,
    ...measures.flatMap(measureSection),
  ];
}

function measureSection(measure: MeasureResult): string[] {
  const { title, note, baseline, rounds, seconds, warmUp, version, date, load } = measure;
  const stamp = `×: times ${baseline}. ${rounds} rounds of ${seconds} s, warm-up of ours ${warmUp} s, version ${version}, ${date}.`;
  const standIn =
    load === 'node'
      ? 'No C compiler was there: the source and sink were a stand-in in JavaScript, which slows all contenders and hides differences.'
      : '';
  const words = [note, stamp, ...failures(measure), standIn].filter((part) => part !== '');
  return [`### ${title}`, markdownTable(measureTable(measure)), words.join(' ')];
}

function where(runs: readonly RunResult[]): string {
  const { processor, cores, memoryGiB, kernel, node, peers } = runs[0]!.machine;
  const versions = Object.entries(peers).map(([name, version]) => `${name} ${version}`);
  const names = runs.map(
    ({ congestion, isDefault }) => congestion + (isDefault ? ' (default)' : ''),
  );
  return `${processor}, ${cores} core${cores === 1 ? '' : 's'}, ${memoryGiB} GiB, ${kernel}, congestion control ${names.join(', ')}, Node ${node.slice(1)}. Compared to: ${versions.join(', ')}.`;
}

function markdownTable({ header, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(' | ')} |`;
  const rule = header.map((_, column) => (column === 0 ? '---' : '--:'));
  return [line(header), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

function escapeCell(cell: string): string {
  return cell.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

const introduction = `# Benchmarks

Written by \`npm run bench -- --write\`; every round's figures are in [benchmarks.json](benchmarks.json).

What a pair of proxies costs where the network costs nothing: on loopback. It shows the price of
striping, not its gain; the gain comes from routes that cap each TCP stream, and \`tcp-striper demo\`
shows it. All contenders lead to the same target, all are chained twice, as an entry and an exit are
(one hop where it says so), and each proxy has one thread for its work, except stunnel and agg-tunnel,
which take more.`;

const barText =
  'What the project holds itself to, judged under the congestion control that is the default of a machine; the others are for comparison. Ratios are ours divided by theirs, and they belong to a machine. Bars that are missed stay in the table; the last columns tell how the best would be judged that do less: in Node our plain relay, chained, or Node’s own pipe, and in C a bare relay with reads of up to 4 MiB (`bench/relay.c`), chained. Where that misses a bar, too, the machine is the limit, not Node.';

const how = `- Rounds alternate, A B C A B C, in one run, after one round that does not count; ours is at least 3 s
  long, because Node compiles what it runs often; below each table stands how long it was, since a longer one
  is kinder to us. What the first seconds after a start are like stands in tables of their own ("Just
  started"). Figures are medians; min–max shows all rounds. A ratio is the median of the ratios within each
  round.
- The source and sink are one small C program (\`bench/load.c\`) that sends from one buffer and throws
  away what arrives without copying it. It runs on the same cores as the proxies.
- GB/s counts bytes that arrived at the sink, 10⁹ a GB. CPU is user and system time of the proxies
  alone, from the kernel's accounts, in steps of 10 ms; "of it the kernel" is the system time.
- TCP_NODELAY is on wherever a contender offers it. TLS is 1.3 with AES-128-GCM everywhere; the rivals
  have a certificate for P-256, ours a shared key. HAProxy runs with its defaults apart from what its
  name says.
- Splice moves bytes inside the kernel, which Node cannot: it is shown as what a proxy that never sees
  the bytes can reach.
- Nothing is pinned to a core: source, sink and proxies share all of them. \`taskset -c 0 npm run bench
  -- --only ping\` shows the bare cost of a round trip.
- agg-tunnel makes one link for each address of its server and none beyond; it gets as many addresses of
  loopback as we have lanes. It dials its links anew for each connection.
- The kernel's congestion control changes the figures even on loopback: BBR paces, so that programs
  look more alike than under cubic.`;

const yourself = `\`\`\`
npm run bench                      everything; tens of minutes
npm run bench -- --quick           two or three minutes
npm run bench -- --only bulk,tls-  measures of these names, or whose names begin so; --list shows them
npm run bench -- --cc cubic        under another congestion control, in a network namespace of its own
npm run bench -- --with-agg-tunnel builds aggligator's tunnel with cargo, and compares to it
npm run bench -- --against FOLDER  this build beside the one in another checkout
\`\`\`

It needs Linux. On Debian, \`apt install haproxy nginx libnginx-mod-stream socat stunnel4 openssl gcc libc6-dev
linux-perf\` brings what it compares to; what is missing is left out and named. Do nothing else on the machine
meanwhile.`;
