import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { UsageError } from '../core/usage-error.ts';

/**
 * The text of a small file, without white space at its ends; pipes such as `<(pass show x)` work.
 * `exposed` when its mode lets others than its owner read it.
 * @param what says in the message what the file is.
 * @throws {UsageError}
 */
export function readSecret(path: string, what: string): { text: string; exposed: boolean } {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const stat = fstatSync(file);
    const exposed = process.platform !== 'win32' && stat.isFile() && (stat.mode & 0o077) !== 0;
    return { text: readAtMost(file, LIMIT).trim(), exposed };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'it does not exist' : message;
    throw new UsageError(`cannot read the ${what} ${path}: ${why}`, { cause: error });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function readAtMost(file: number, limit: number): string {
  const bytes = new Uint8Array(limit);
  let length = 0;
  while (length < limit) {
    const count = readSync(file, bytes, length, limit - length, null);
    if (count === 0) break;
    length += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** Bytes: no secret is longer, and `/dev/zero` ends. */
const LIMIT = 4096;
