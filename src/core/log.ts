/** Facts that go with a line of the log: addresses, counts, causes. Never keys or payload. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where the layers say what happened. Library users may pass any object of this shape. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const ignore = (): void => {};

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
