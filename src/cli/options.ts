import { Argument, InvalidArgumentError, Option } from 'commander';
import type { TcpAddress } from '../app/admin/config.ts';
import { parseAdmin } from '../app/admin/config.ts';
import {
  checkBusyPoll,
  checkMemory,
  checkWait,
  defaults,
  parseExits,
  parseFrom,
  parseLanes,
  parseWorkers,
  type SchedulerName,
  schedulerNames,
} from '../app/config.ts';
import { type Address, parseTargetAddress } from '../core/address.ts';
import { parseDuration, parseSize } from '../core/units.ts';
import { UsageError } from '../core/usage-error.ts';
import { type LogFormat, type LogLevel, logFormats, logLevels } from '../sys/log.ts';

/** Options by the names under which commander hands them out. */
export interface LogChoice {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export interface AdminChoice {
  /** Absent, where a command only asks: any of the default ports. */
  readonly admin?: TcpAddress | 'off';
  readonly adminTokenFile?: string;
}

export interface StatusChoice extends AdminChoice {
  readonly json?: boolean;
}

export interface ServiceChoice extends LogChoice, AdminChoice {
  readonly busyPoll: number;
  readonly drain: number;
}

export interface SessionChoice extends ServiceChoice {
  readonly keyFile?: string;
  readonly plain?: boolean;
  readonly scheduler: SchedulerName;
  readonly memory: number;
  readonly resume: number;
  readonly workers: number | 'auto';
}

export interface EntryChoice extends SessionChoice {
  readonly exit: Address[];
  readonly lanes: number;
  readonly from: string[];
}

export interface ExitChoice extends SessionChoice {
  readonly to: Address;
  readonly connectTimeout: number;
}

export interface RelayChoice extends ServiceChoice {
  readonly to: Address;
  readonly connectTimeout: number;
  readonly memory: number;
}

/** Made anew for each command: whoever adds one may change it. */
export const options = {
  exit: () =>
    required(option('--exit <ADDR,...>', 'the exit, or several addresses of it')).argParser(
      guard(parseExits),
    ),
  lanes: () =>
    withDefault('-n, --lanes <N>', 'parallel lanes, 1 to 64', parseLanes, defaults.lanes),
  from: () =>
    option('--from <IP,...>', 'local addresses to spread the lanes over')
      .argParser(guard(parseFrom))
      .default([], 'the system chooses'),
  to: () => option('--to <ADDR>', 'where connections go').argParser(guard(parseTargetAddress)),
  keyFile: () =>
    option('--key-file <FILE>', 'the key of both ends').default(undefined, defaultKeyPath),
  plain: () => option('--plain', 'lanes without encryption; both ends must say so'),
  scheduler: () =>
    option(
      '--scheduler <NAME>',
      `how bytes are spread over the lanes: ${schedulerNames.join(', ')}`,
    )
      .choices(schedulerNames)
      .default(defaults.scheduler, defaults.scheduler),
  memory: () =>
    withDefault(
      '--memory <SIZE>',
      'the bound of all buffers',
      (text) => checkMemory(parseSize(text)),
      defaults.memory,
    ),
  resume: () =>
    withDefault(
      '--resume <TIME>',
      'how long connections wait for lost lanes to return',
      // Peers tell each other whole ms.
      (text) => Math.round(parseDuration(text)),
      defaults.resume,
    ),
  workers: () =>
    withDefault(
      '--workers <N>',
      'processes that share the work, 1 to 64; auto is one for each core',
      parseWorkers,
      defaults.workers,
    ),
  connectTimeout: () =>
    withDefault(
      '--connect-timeout <TIME>',
      'how long a target may take to accept',
      (text) => checkWait(parseDuration(text)),
      defaults.connectTimeout,
    ),
  busyPoll: (text: string) =>
    withDefault(
      '--busy-poll <TIME>',
      'how long to stay awake for the next message, while that pays; 0 never',
      (text) => checkBusyPoll(parseDuration(text)),
      text,
    ),
  drain: () =>
    withDefault(
      '--drain <TIME>',
      'how long connections may go on after SIGTERM or SIGINT',
      parseDuration,
      defaults.drain,
    ),
  admin: () =>
    withDefault('--admin <ADDR>', 'the admin server, or off', parseAdmin, defaults.admin),
  adminToAsk: () =>
    option('--admin <ADDR>', 'the admin server to ask')
      .argParser(guard(parseAdmin))
      .default(undefined, '127.0.0.1:9478 to 9482'),
  adminTokenFile: () =>
    option('--admin-token-file <FILE>', 'the token that the admin server asks for'),
  logLevel: () =>
    option('--log-level <LEVEL>', `the least that is logged: ${logLevels.join(', ')}`)
      .choices(logLevels)
      .default('info', 'info'),
  logFormat: () =>
    option('--log-format <FORMAT>', 'auto, pretty or json; auto is pretty on a terminal')
      .choices(logFormats)
      .default('auto', 'auto'),
  json: () => option('--json', 'as JSON'),
} as const;

export function listenArgument(parse: (text: string) => Address, text: string): Argument {
  return new Argument('[LISTEN]', 'PORT, HOST:PORT, [V6]:PORT or unix:/path')
    .argParser(guard(parse))
    .default(parse(text), text);
}

export function laneArgument(): Argument {
  return new Argument('<ID>', 'the number of the lane, as status shows it').argParser(
    guard((text) => {
      if (!/^\d{1,9}$/.test(text)) throw new UsageError(`'${text}' is no number`);
      return Number(text);
    }),
  );
}

/** The environment variable of an option. */
export function variableOf(option: Option): string {
  return `TCP_STRIPER_${option.name().replaceAll('-', '_').toUpperCase()}`;
}

/**
 * What a switch is set to by its variable; an empty one says no.
 * @throws {UsageError}
 */
export function switchValue(text: string, variable: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off|)$/i.test(text)) return false;
  throw new UsageError(`'${text}' from env '${variable}' is neither yes nor no`);
}

/** What the help says of an option. */
export function describe(option: Option): string {
  const { description, defaultValueDescription: text } = option;
  const base = isRequired(option) ? 'required; ' : text === undefined ? '' : `default ${text}; `;
  return `${description} (${base}env ${variableOf(option)})`;
}

function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  // A switch is left to `switchValue`.
  return made.required ? made.env(variableOf(made)) : made;
}

/** Unlike commander's own check, ours comes after the one for unknown options: a misspelt one is named. */
export function required(option: Option): Option {
  requiredOptions.add(option);
  return option;
}

export function isRequired(option: Option): boolean {
  return requiredOptions.has(option);
}

export const defaultKeyPath = '~/.config/tcp-striper/key';

const requiredOptions = new WeakSet<Option>();

function withDefault<T>(
  flags: string,
  description: string,
  parse: (text: string) => T,
  text: string,
): Option {
  return option(flags, description).argParser(guard(parse)).default(parse(text), text);
}

/** Commander names the option in the message, but only for errors of its own. */
function guard<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof UsageError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}
