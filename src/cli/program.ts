import { Command, type Option } from 'commander';
import { defaults, parseEntryListen, parseOpenListen } from '../app/config.ts';
import type { Address } from '../core/address.ts';
import { parseTargetAddress } from '../core/address.ts';
import { UsageError } from '../core/usage-error.ts';
import { version } from '../core/version.ts';
import { complain, type Io } from './io.ts';
import {
  type AdminChoice,
  defaultKeyPath,
  describe,
  type EntryChoice,
  type ExitChoice,
  isRequired,
  type LogChoice,
  laneArgument,
  listenArgument,
  options,
  type RelayChoice,
  required,
  type StatusChoice,
  switchValue,
  variableOf,
} from './options.ts';

/**
 * The tree of commands. What a command does is loaded when it runs, so that each starts with only
 * what it needs. `onStatus` gets its exit status.
 */
export function buildProgram(io: Io, onStatus: (status: number) => void): Command {
  const program = new Command('tcp-striper')
    .description(
      'Carries one TCP connection over many parallel TCP streams, through a pair of proxies.',
    )
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [COMMAND]', 'print the help of a command')
    .usage('COMMAND [options]')
    .exitOverride()
    .configureHelp({ optionDescription })
    .configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
      outputError: (text) => complain(io, text.replace(/^error: /, '').trimEnd()),
    })
    .hook('preAction', (_, command) => {
      applySwitches(command, io.env);
      checkRequired(command);
    })
    .addHelpText('after', programExamples);

  const add = (name: string, description: string, parent = program): Command =>
    parent.command(name).description(description);
  const finish = async (status: number | Promise<number>) => onStatus(await status);

  const demo = add('demo', 'show both ends on this machine over a capped path').action(
    async (choice: LogChoice) => {
      const { demo } = await import('./commands/demo.ts');
      await finish(demo(io, choice));
    },
  );
  addLogOptions(demo);

  const exit = add('exit', 'the far end: lanes come in, connections to the target go out')
    .addArgument(listenArgument(parseOpenListen, defaults.exitListen))
    .addOption(required(options.to()))
    .addOption(options.connectTimeout())
    .addHelpText('after', exitExamples)
    .action(async (listen: Address, choice: ExitChoice, command: Command) => {
      const { exit } = await import('./commands/exit.ts');
      await finish(exit(io, listen, choice, isAdminNamed(command)));
    });
  addSessionOptions(exit, defaults.busyPoll);

  const entry = add('entry', 'the near end: applications connect here, lanes go out to the exit')
    .addArgument(listenArgument(parseEntryListen, defaults.entryListen))
    .addOption(options.exit())
    .addOption(options.lanes())
    .addOption(options.from())
    .addHelpText('after', entryExamples)
    .action(async (listen: Address, choice: EntryChoice, command: Command) => {
      const { entry } = await import('./commands/entry.ts');
      await finish(entry(io, listen, choice, isAdminNamed(command)));
    });
  addSessionOptions(entry, defaults.entryBusyPoll);

  const relay = add('relay', 'a plain TCP relay, without lanes')
    .addArgument(listenArgument(parseOpenListen, defaults.relayListen))
    .addOption(options.to().default(parseTargetAddress(defaults.relayTo), defaults.relayTo))
    .addOption(options.connectTimeout())
    .addOption(options.memory())
    .action(async (listen: Address, choice: RelayChoice, command: Command) => {
      const { relay } = await import('./commands/relay.ts');
      await finish(relay(io, listen, choice, isAdminNamed(command)));
    });
  addServiceOptions(relay, defaults.busyPoll);

  add('new', 'make a key in a new file that only you can read', add('key', 'the key of both ends'))
    .argument('[FILE]', `where to write it (default ${defaultKeyPath})`)
    .addHelpText('after', keyExamples)
    .action(async (file: string | undefined) => {
      const { newKeyFile } = await import('./commands/key.ts');
      await finish(newKeyFile(io, file));
    });

  const status = add('status', 'one look at a running process')
    .addOption(options.json())
    .action(async (choice: StatusChoice) => {
      const { status } = await import('./commands/status.ts');
      await finish(status(io, choice));
    });
  addAskingOptions(status);

  const lanes = add('lanes', 'change the lanes of a running entry');
  addAskingOptions(add('add', 'dial one more lane', lanes)).action(async (choice: AdminChoice) => {
    const { addLane } = await import('./commands/lanes.ts');
    await finish(addLane(io, choice));
  });
  for (const [verb, description] of laneVerbs) {
    addAskingOptions(add(verb, description, lanes))
      .addArgument(laneArgument())
      .action(async (id: number, choice: AdminChoice) => {
        const { endLane } = await import('./commands/lanes.ts');
        await finish(endLane(io, verb, id, choice));
      });
  }
  return program;
}

/** Of both ends of a session. */
function addSessionOptions(command: Command, busyPoll: string): Command {
  command
    .addOption(options.keyFile())
    .addOption(options.plain())
    .addOption(options.scheduler())
    .addOption(options.memory())
    .addOption(options.resume())
    .addOption(options.workers());
  return addServiceOptions(command, busyPoll);
}

/** Of whatever runs until it is told to stop. */
function addServiceOptions(command: Command, busyPoll: string): Command {
  command
    .addOption(options.busyPoll(busyPoll))
    .addOption(options.drain())
    .addOption(options.admin())
    .addOption(options.adminTokenFile());
  return addLogOptions(command);
}

function addLogOptions(command: Command): Command {
  return command.addOption(options.logLevel()).addOption(options.logFormat());
}

/** Of whatever asks the admin server of a running process. */
function addAskingOptions(command: Command): Command {
  return command.addOption(options.adminToAsk()).addOption(options.adminTokenFile());
}

function isAdminNamed(command: Command): boolean {
  return command.getOptionValueSource('admin') !== 'default';
}

/**
 * Sets switches from the environment. Commander itself would take any value, even `0`, for a yes;
 * that must not turn encryption off.
 */
function applySwitches(command: Command, env: Io['env']): void {
  for (const option of command.options) {
    const name = option.attributeName();
    const text = env[variableOf(option)];
    if (!option.isBoolean() || text === undefined) continue;
    if (command.getOptionValueSource(name) === 'cli') continue;
    command.setOptionValueWithSource(name, switchValue(text, variableOf(option)), 'env');
  }
}

/** Version and help have no variable. */
function optionDescription(option: Option): string {
  return /^(version|help)$/.test(option.name()) ? option.description : describe(option);
}

function checkRequired(command: Command): void {
  for (const option of command.options) {
    if (!isRequired(option) || command.getOptionValue(option.attributeName()) !== undefined)
      continue;
    throw new UsageError(`${command.name()} needs ${option.flags} (or ${variableOf(option)})`);
  }
}

const laneVerbs = [
  ['drain', 'let a lane finish what it carries, then end it'],
  ['remove', 'end a lane at once; what was under way on it is sent again on others'],
] as const;

const programExamples = `
Examples:
  tcp-striper demo                                  see what it does, on this machine alone
  tcp-striper key new                               make the key; copy the file to the other end
  tcp-striper exit --to 127.0.0.1:22                on the far machine
  tcp-striper entry 2222 --exit far.example:7000    on the near one; then: ssh -p 2222 localhost

Every option has an environment variable. The order is: option, variable, default.`;

const exitExamples = `
Examples:
  tcp-striper exit --to 127.0.0.1:22                listen on port 7000, lead to the ssh server here
  tcp-striper exit 443 --to db.internal:5432 --key-file /etc/tcp-striper/key`;

const entryExamples = `
Examples:
  tcp-striper entry --exit far.example:7000         listen on 127.0.0.1:55555
  tcp-striper entry 0.0.0.0:5432 --exit far.example:7000 -n 16
  tcp-striper entry 2222 --exit a.example:7000,b.example:7000 --from 192.0.2.7,198.51.100.7`;

const keyExamples = `
Examples:
  tcp-striper key new
  scp ~/.config/tcp-striper/key far.example:.config/tcp-striper/key`;
