import { createHash } from 'node:crypto';
import {
  createReadStream,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Pattern } from '../../e2e/support/traffic.ts';

/** Writes a file of bytes that follow from `seed`. */
export function writePattern(path: string, bytes: number, seed: number): void {
  writeFileSync(path, patternOf(bytes, seed));
}

export function patternOf(bytes: number, seed: number): Buffer {
  return new Pattern(seed).take(bytes);
}

/** The SHA-256 of a file, hexadecimal. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Fills a folder with what trees are made of: nesting, many sizes, modes, links, odd names. */
export function plantTree(root: string): void {
  for (let folder = 0; folder < 20; folder += 1) {
    const path = join(root, `folder ${folder}`, 'inner', 'ümlaut');
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 15; file += 1) {
      writePattern(join(path, `file-${file}`), file === 0 ? 0 : 3 ** file % 300_000, file);
    }
    writeFileSync(join(path, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    symlinkSync('file-1', join(path, 'link'));
  }
}

/** One line per entry: path, kind, mode, content. Equal for equal trees. */
export function describeTree(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(root, name);
      const stat = lstatSync(path);
      const content = stat.isSymbolicLink()
        ? readlinkSync(path)
        : stat.isFile()
          ? createHash('sha256').update(readFileSync(path)).digest('hex')
          : '';
      return `${name} ${stat.mode.toString(8)} ${content}`;
    });
}
