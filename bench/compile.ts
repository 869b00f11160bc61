import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './root.ts';

/**
 * Compiles `bench/NAME.c`, unless that is done.
 * @returns the path of the program; null without a compiler
 */
export function compile(name: string): string | null {
  const source = join(repositoryRoot, 'bench', `${name}.c`);
  const folder = join(repositoryRoot, 'dist', 'bench');
  const program = join(folder, name);
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  mkdirSync(folder, { recursive: true });
  const done = spawnSync('cc', ['-O2', '-pthread', '-o', program, source, '-lm'], {
    encoding: 'utf8',
  });
  if (done.status === 0) return program;
  if (done.error === undefined) process.stderr.write(done.stderr);
  return null;
}
