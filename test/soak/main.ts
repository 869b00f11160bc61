import process from 'node:process';
import { parseArgs } from 'node:util';
import { Soak } from './soak.ts';

const USAGE = `npm run soak -- [--minutes N] [--seed N] [--kills]
    carries checked connections of all kinds through a pair of proxies whose lanes suffer random
    faults, for 60 minutes or N; --kills: proxies are killed now and then, too
    exit status 1 if a byte is wrong, a connection is stuck or reset, or something is left behind`;

const { values } = readArguments();
if (values.help) console.log(USAGE);
else await soak(positive('minutes', values.minutes), positive('seed', values.seed));

function readArguments() {
  try {
    return parseArgs({
      options: {
        minutes: { type: 'string', default: '60' },
        seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
        kills: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  return refuse(`--${name} must be a number above 0, not '${text}'`);
}

function refuse(why: string): never {
  console.error(`${why}\n${USAGE}`);
  process.exit(2);
}

async function soak(minutes: number, seed: number): Promise<void> {
  console.error(`seed ${seed}, ${minutes} min`);
  const { failures, facts } = await Soak.run({
    time: minutes * 60_000,
    seed,
    kills: values.kills,
    onLine: (line) => console.error(line),
  });
  for (const [name, value] of facts) console.log(`${name.padEnd(20)}  ${value}`);
  for (const failure of failures) console.log(`FAILED ${failure}`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
