import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { UsageError } from '../core/usage-error.ts';
import { equal, hkdfSha256, randomBytes } from './crypto.ts';
import { codeOf } from './net-error.ts';
import { readSecret } from './secret-file.ts';

/**
 * The secret that an entry and its exit share: 256 random bits. Its text is `tsk1_` and base64url,
 * so that a key is recognised wherever it turns up.
 */
export const KEY_BYTES = 32;

export function newKey(): Uint8Array {
  return randomBytes(KEY_BYTES);
}

export function formatKey(key: Uint8Array): string {
  return PREFIX + Buffer.from(key).toString('base64url');
}

/**
 * @param where names the file or variable in the message; the key itself is never in it.
 * @throws {UsageError}
 */
export function parseKey(text: string, where: string): Uint8Array {
  const body = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : '';
  const key = new Uint8Array(Buffer.from(body, 'base64url'));
  const isCanonical = equal(Buffer.from(formatKey(key)), Buffer.from(text));
  if (key.length !== KEY_BYTES || !isCanonical) {
    throw new UsageError(
      `${where} holds no key (a key is ${PREFIX} and 43 characters); make one with: tcp-striper key new`,
    );
  }
  return key;
}

/** Twelve hexadecimal digits that tell two keys apart and betray nothing of either: `3f9a-1c07-b2e4`. */
export function fingerprint(key: Uint8Array): string {
  const digest = Buffer.from(hkdfSha256(key, 'tcp-striper fingerprint', 6)).toString('hex');
  return digest.replace(/(.{4})(?=.)/g, '$1-');
}

/** `$XDG_CONFIG_HOME/tcp-striper/key`, usually `~/.config/tcp-striper/key`. */
export function defaultKeyFile(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_CONFIG_HOME;
  const config = base !== undefined && isAbsolute(base) ? base : join(homedir(), '.config');
  return join(config, 'tcp-striper', 'key');
}

/**
 * Writes a new file that only its owner can read, and its folders.
 * @throws {UsageError} if the file exists or cannot be written.
 */
export function writeKeyFile(path: string, key: Uint8Array): void {
  let file: number;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw cannotWrite(path, error);
  }
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw cannotWrite(path, error);
    throw new UsageError(`${path} exists and is left as it is; name another file, or move it away`);
  }
  try {
    writeSync(file, `${formatKey(key)}\n`);
    fsyncSync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw cannotWrite(path, error);
  } finally {
    closeSync(file);
  }
}

/**
 * The key in a file; `exposed` when others than its owner can read it.
 * @throws {UsageError}
 */
export function readKeyFile(path: string): { key: Uint8Array; exposed: boolean } {
  const { text, exposed } = readSecret(path, 'key file');
  return { key: parseKey(text, `the key file ${path}`), exposed };
}

function cannotWrite(path: string, cause: unknown): UsageError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new UsageError(`cannot write the key file ${path}: ${why}`, { cause });
}

const PREFIX = 'tsk1_';
