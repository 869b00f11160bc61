import type { Writable } from 'node:stream';
import type { LogFields, Logger } from '../core/log.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** `auto` is pretty on a terminal and JSON elsewhere. */
export const logFormats = ['auto', 'pretty', 'json'] as const;
export type LogFormat = (typeof logFormats)[number];

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly out: Writable & { readonly isTTY?: boolean };
  /** Only `NO_COLOR` and `FORCE_COLOR` matter. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly now?: () => Date;
}

/**
 * Writes one line a call. It never throws, whatever becomes of `out`; when whoever reads `out` is too
 * slow, lines are dropped and counted rather than kept.
 */
export function createLogger(options: LogOptions): Logger {
  const { out, now = () => new Date() } = options;
  const isTerminal = out.isTTY === true;
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && isTerminal);
  const render = isPretty ? prettyLine(wantsColour(isTerminal, options.env ?? {})) : jsonLine;
  const least = logLevels.indexOf(options.level);
  let dropped = 0;

  // EPIPE and its kind: the log has no reader any more, and that is nobody's failure.
  out.on('error', () => {});

  function write(level: LineLevel, message: string, fields: LogFields = {}): void {
    if (logLevels.indexOf(level) < least) return;
    if (out.writableLength > BACKLOG) {
      dropped += 1;
      return;
    }
    if (dropped > 0) {
      const lost = { lines: dropped };
      dropped = 0;
      out.write(render(now(), 'warn', 'the log was read too slowly and has a gap', lost));
    }
    out.write(render(now(), level, message, fields));
  }

  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
  };
}

type LineLevel = Exclude<LogLevel, 'silent'>;
type Render = (time: Date, level: LineLevel, message: string, fields: LogFields) => string;

function jsonLine(time: Date, level: LineLevel, message: string, fields: LogFields): string {
  return `${JSON.stringify({ time: time.toISOString(), level, message, ...fields })}\n`;
}

/** `17:02:31.042 warn  lane lost  lane=3 cause="read ECONNRESET"`, in local time. */
function prettyLine(colour: boolean): Render {
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  return (time, level, message, fields) => {
    const pairs = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${paint(DIM, `${name}=`)}${bare(String(value))}`);
    const clock = paint(DIM, localTime(time));
    const head = `${clock} ${paint(levelColour[level], level.padEnd(5))} ${printable(message)}`;
    return `${[head, pairs.join(' ')].filter(Boolean).join('  ')}\n`;
  };
}

function localTime(time: Date): string {
  const [hours, minutes, seconds] = [time.getHours(), time.getMinutes(), time.getSeconds()].map(
    (part) => String(part).padStart(2, '0'),
  );
  return `${hours}:${minutes}:${seconds}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

function bare(value: string): string {
  return /^[^\s"=\p{Cc}\p{Cf}]+$/u.test(value)
    ? value
    : `"${printable(value).replaceAll('"', '\\"')}"`;
}

/** What a peer had a hand in must not move the cursor or begin a line. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}

function wantsColour(isTerminal: boolean, env: NonNullable<LogOptions['env']>): boolean {
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0';
  return isTerminal && !env.NO_COLOR;
}

/** Bytes that may wait for the reader of the log. */
const BACKLOG = 1024 * 1024;
const DIM = 2;
const levelColour = { debug: DIM, info: 36, warn: 33, error: 31 } as const;
