import { join } from 'node:path';
import { formatKey, newKey } from '../../src/sys/key.ts';
import type { Contender, Hop } from '../contender.ts';
import { type Lab, until } from '../lab.ts';
import { establishedAt } from '../proc.ts';
import { repositoryRoot } from '../root.ts';

/** The command of this project. */
export const cli = join(repositoryRoot, 'dist', 'cli', 'main.js');
export const quiet = ['--admin', 'off', '--log-level', 'warn'];

export interface StripedOptions {
  readonly tls?: boolean;
  /** Processes of each end. */
  readonly workers?: number;
  /** The command, if not this build's. */
  readonly cli?: string;
}

/** An entry and an exit. */
export function striped(lanes: number, options: StripedOptions = {}): Contender {
  const { tls = false, workers = 1, cli: command = cli } = options;
  const crew = workers === 1 ? '' : `, ${workers} workers`;
  const name = `striped, ${lanes} lane${lanes === 1 ? '' : 's'}${tls ? ', TLS' : ''}${crew}`;
  const both = [...(tls ? [] : ['--plain']), '--workers', `${workers}`];
  const entry: Hop = async (lab, listen, to) => {
    const args = ['--exit', `127.0.0.1:${to}`, '-n', `${lanes}`, '--key-file', keyFile(lab)];
    const proxy = await lab.start(listen, process.execPath, [
      ...[command, 'entry', `127.0.0.1:${listen}`, ...args, ...both, ...quiet],
    ]);
    await until(
      () => establishedAt(to) >= lanes * workers,
      `the entry did not bring up ${lanes} lanes`,
    );
    return proxy;
  };
  const exit: Hop = (lab, listen, to) => {
    const args = ['--to', `127.0.0.1:${to}`, '--key-file', keyFile(lab)];
    return lab.start(listen, process.execPath, [
      ...[command, 'exit', `127.0.0.1:${listen}`, ...args, ...both, ...quiet],
    ]);
  };
  return { name, needs: [], isJustInTime: true, hops: [entry, exit] };
}

const relayHop =
  (command: string): Hop =>
  (lab, listen, to) =>
    lab.start(listen, process.execPath, [
      ...[command, 'relay', `127.0.0.1:${listen}`, '--to', `127.0.0.1:${to}`, ...quiet],
    ]);

export function relayOnce(command: string): Contender {
  return { name: 'relay', needs: [], isJustInTime: true, hops: [relayHop(command)] };
}

export const relay = relayOnce(cli);

/** Reads and writes on Node's sockets and nothing else: what a pair in Node can reach. */
export const relayTwice: Contender = {
  name: 'relay twice',
  needs: [],
  isJustInTime: true,
  hops: [relayHop(cli), relayHop(cli)],
};

const keys = new WeakMap<Lab, string>();

/** The path of a key that both ends use. */
export function keyFile(lab: Lab): string {
  const known = keys.get(lab);
  if (known !== undefined) return known;
  const path = lab.file('key', `${formatKey(newKey())}\n`);
  keys.set(lab, path);
  return path;
}
