import type { Machine } from '../result.ts';
import { median } from '../statistics.ts';
import type { Figure, Scenario } from './scenario.ts';
import type { Result } from './store.ts';

/** A line for each figure of the case. */
export function textOf(scenario: Scenario, result: Result): string {
  const lines = scenario.figures.map((figure) => {
    const { cell, verdict } = judged(figure, result);
    return `  ${figure.title}: ${cell} ${barOf(figure)} ${verdict}`.trimEnd();
  });
  const { failures, complaint } = result;
  if (complaint !== null) lines.push(`  not to be trusted: ${complaint}`);
  return [
    `${scenario.id}, ${result.congestion}: ${scenario.title}`,
    ...lines,
    ...failures.map((failure) => `  failed: ${failure}`),
  ].join('\n');
}

/** The page that the project publishes. */
export function pageOf(
  scenarios: readonly Scenario[],
  results: readonly Result[],
  { processor, cores, memoryGiB, kernel, node }: Omit<Machine, 'peers'>,
): string {
  const congestions = [...new Set(results.map(({ congestion }) => congestion))].toSorted();
  const header = ['case', 'figure', 'bar', ...congestions.flatMap((name) => [name, ''])];
  const rows = scenarios.flatMap((scenario) => {
    const those = congestions.map((name) =>
      results.find(({ id, congestion }) => id === scenario.id && congestion === name),
    );
    if (those.every((result) => result === undefined)) return [];
    return scenario.figures.map((figure, index) => [
      index === 0 ? scenario.title : '',
      figure.title,
      barOf(figure),
      ...those.flatMap((result) => {
        if (result === undefined) return ['–', ''];
        const { cell, verdict } = judged(figure, result);
        return [cell, verdict];
      }),
    ]);
  });
  const where = `${processor}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, Node ${node.slice(1)}.`;
  return `${[
    introduction,
    '## Where and how',
    where,
    how,
    '## Figures',
    stamp(results),
    [header, header.map((_, at) => (at < 3 ? '---' : '--:')), ...rows]
      .map((cells) => `| ${cells.join(' | ')} |`)
      .join('\n'),
    ...troubles(scenarios, results),
    '## Run it yourself',
    yourself,
  ].join('\n\n')}\n`;
}

/** The median and the extremes of the runs, and what the bar says of it. */
function judged(figure: Figure, { samples }: Result): { cell: string; verdict: string } {
  const values = samples.map((sample) => sample[figure.key]!);
  if (values.length === 0) return { cell: '–', verdict: hasBar(figure) ? 'missed' : '' };
  const middle = median(values);
  const ends = [Math.min(...values), Math.max(...values)].map((value) => numberOf(figure, value));
  const cell = `${numberOf(figure, middle)} ${figure.unit} (${ends.join('–')})`;
  if (!hasBar(figure)) return { cell, verdict: '' };
  const isMet = middle >= (figure.atLeast ?? -Infinity) && middle <= (figure.atMost ?? Infinity);
  return { cell, verdict: isMet ? 'met' : '**missed**' };
}

function hasBar({ atLeast, atMost }: Figure): boolean {
  return atLeast !== undefined || atMost !== undefined;
}

function barOf({ atLeast, atMost, unit }: Figure): string {
  if (atLeast !== undefined) return `≥ ${atLeast} ${unit}`;
  return atMost === undefined ? '' : `≤ ${atMost} ${unit}`;
}

function numberOf({ unit }: Figure, value: number): string {
  if (!Number.isFinite(value)) return 'never';
  return value.toFixed(unit === '%' ? 1 : 0);
}

function stamp(results: readonly Result[]): string {
  const dates = results.map(({ date }) => date).toSorted();
  const runs = Math.min(...results.map(({ samples }) => samples.length));
  const when = dates[0] === dates.at(-1) ? dates[0] : `${dates[0]} to ${dates.at(-1)}`;
  const versions = [...new Set(results.map(({ version }) => version))].join(', ');
  return `Medians of at least ${runs} runs, and in brackets their least and most; version ${versions}, ${when}.`;
}

function troubles(scenarios: readonly Scenario[], results: readonly Result[]): string[] {
  const lines = results.flatMap((result) => {
    const title = scenarios.find(({ id }) => id === result.id)?.title ?? result.id;
    const name = `${title} (${result.congestion})`;
    return [
      ...(result.complaint === null ? [] : [`- ${name}: not to be trusted: ${result.complaint}`]),
      ...result.failures.map((failure) => `- ${name}: a run failed: ${failure.split('\n')[0]}`),
    ];
  });
  if (lines.length > 0) return [lines.join('\n')];
  return ['The emulator found nothing wrong with its own timing, queues or memory in any of them.'];
}

const introduction = `# Across paths with caps, delay, loss and faults

Written by \`npm run paths -- --write\`; every run's figures are in [paths.json](paths.json).

What the two real processes make of paths that cap each TCP connection, over TLS lanes, with the
kernel's own congestion control. The simulation covers more cases, and looks at every step; this shows
what the kernel's TCP and Node add to it. Bars that are missed stay in the table.`;

const how = `- Entry and exit run in two network namespaces. A packet-level emulator between them treats each
  packet of 1,500 bytes by itself: a cap for each TCP connection (a queue of 50 ms, or a policer), random
  loss, delay, faults.
- A source sends bulk from the entry's side to a sink on the exit's side, which checks every byte and
  notes when it came. Where messages are judged, one of 100 bytes takes the same way every 20 ms over
  a connection of its own; times are one way, from a clock that both ends share. Messages run in all
  cases without faults or loss; where lanes are policed, only for the second half.
- Percentages of caps count the payload of TCP in full packets (1,448 of 1,500 bytes) as 100 %; the
  headers of TLS and of the lanes' own frames are our loss. They are taken over 6 to 10 s after 2 to 10 s
  of running in. Plain TCP connections, where they are the measure, run at the same time beside the
  lanes, through the same path, and carry the same bulk.
- Faults strike 2 s after the start, on a path of one lane's own, with lanes that are dialled anew on it too.
  A gap is the longest time without a byte at the sink. What a path carries after its return is read
  from the emulator, so that bytes which had waited behind a hole do not count.
- Every run has fresh processes.`;

const yourself = `\`\`\`
npm run paths -- --lab FOLDER                    all cases but the longest
npm run paths -- --lab FOLDER --only equal,loss  cases whose names begin so; --list shows the names
npm run paths -- --help
\`\`\`

It needs Linux, root, and the emulator: FOLDER holds its command, \`lab\`. Without one the command says
so and does nothing. Do nothing else on the machine meanwhile.`;
