import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort, type Lab } from '../lab.ts';
import type { Measure, Subject } from '../measure.ts';
import { cli, keyFile, quiet } from '../peers/striper.ts';
import { median } from '../statistics.ts';

/** Starts within one sample: they are short. */
const STARTS = 3;

/** How soon a proxy is of use. */
export function startup(): Measure {
  const bare = subject('node -e 0', () => ['-e', '0'], 'exit');
  return measure('startup', 'Start-up', bare, [
    bare,
    subject('exit', exitArgs(cli), 'stdout'),
    subject('entry', entryArgs(cli), 'stdout'),
    subject('relay', (_, port) => [cli, 'relay', `127.0.0.1:${port}`, ...quiet], 'stdout'),
  ]);
}

/** The same of two builds, by their commands. */
export function startups(there: string, here: string): Measure[] {
  const versus = (role: string, argsOf: (cli: string) => Arguments) => {
    const that = subject('that build', argsOf(there), 'stdout');
    const subjects = [that, subject('this build', argsOf(here), 'stdout')];
    return measure(`startup-${role}`, `Start-up of ${role}`, that, subjects);
  };
  return [versus('exit', exitArgs), versus('entry', entryArgs)];
}

function measure(id: string, title: string, baseline: Subject, subjects: Subject[]): Measure {
  return {
    id,
    title,
    note: 'From the start of the process to the line that says it listens; for `node -e 0` to its end.',
    figures: [{ key: 'ms', title: 'ms', digits: 0 }],
    baseline: baseline.name,
    subjects,
  };
}

type Arguments = (lab: Lab, port: number) => string[];

/** Times a program of Node from its start to its first line on stdout, or to its end. */
function subject(name: string, args: Arguments, until: 'stdout' | 'exit'): Subject {
  return {
    name,
    needs: [],
    async open() {},
    async sample({ lab }) {
      const times: number[] = [];
      for (let start = 0; start < STARTS; start += 1) {
        times.push(await time(args(lab, await freePort()), until));
      }
      return { ms: median(times) };
    },
    async close() {},
  };
}

async function time(args: readonly string[], until: 'stdout' | 'exit'): Promise<number> {
  const began = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'exit');
  const ready = until === 'exit' ? ended : once(child.stdout, 'data');
  const first = await Promise.race([
    ready.then(() => 'ready'),
    ended.then(() => (until === 'exit' ? 'ready' : 'ended')),
  ]);
  const ms = performance.now() - began;
  child.kill('SIGKILL');
  child.stdout.resume();
  await ended;
  if (first === 'ended') throw new Error(`${args.slice(1).join(' ')} ended before it listened`);
  return ms;
}

const exitArgs =
  (command: string): Arguments =>
  (lab, port) => {
    const to = ['--to', '127.0.0.1:9'];
    return [command, 'exit', `127.0.0.1:${port}`, ...to, '--key-file', keyFile(lab), ...quiet];
  };

const entryArgs =
  (command: string): Arguments =>
  (lab, port) => {
    const to = ['--exit', '127.0.0.1:9'];
    return [command, 'entry', `127.0.0.1:${port}`, ...to, '--key-file', keyFile(lab), ...quiet];
  };
