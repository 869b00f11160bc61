import { runDemo } from '../../app/demo.ts';
import { tuneV8 } from '../../sys/engine.ts';
import type { Io } from '../io.ts';
import type { LogChoice } from '../options.ts';
import { loggerFor } from './serve.ts';

export function demo(io: Io, choice: LogChoice): Promise<number> {
  tuneV8();
  return runDemo({ events: io.events }, loggerFor(io, choice), io.out);
}
