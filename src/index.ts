export { StriperClient } from './app/client.ts';
export type { EntryConfig, ExitConfig, RelayConfig } from './app/config.ts';
export { type EntryService, startEntry } from './app/entry.ts';
export { startExit } from './app/exit.ts';
export { startRelay } from './app/relay.ts';
export type { Service } from './app/service.ts';
export type { Status } from './app/status.ts';
export { duplexFromPipe, pipeFromDuplex } from './io/duplex.ts';
export type { Pipe, PipeHandler } from './io/pipe.ts';
