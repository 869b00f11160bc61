import { existsSync } from 'node:fs';
import { checkToken } from '../app/admin/config.ts';
import type { Logger } from '../core/log.ts';
import { UsageError } from '../core/usage-error.ts';
import { defaultKeyFile, fingerprint, parseKey, readKeyFile } from '../sys/key.ts';
import { readSecret } from '../sys/secret-file.ts';
import type { Io } from './io.ts';

/**
 * Secrets come from files or variables, never from the command line, which everybody on the machine
 * can read. A named file goes before the variable, the variable before the default file.
 */

/** Logs where the key came from and its fingerprint. @throws {UsageError} */
export function findKey(file: string | undefined, env: Io['env'], logger: Logger): Uint8Array {
  const text = env.TCP_STRIPER_KEY;
  if (file === undefined && text !== undefined) {
    const key = parseKey(text.trim(), 'TCP_STRIPER_KEY');
    logger.info('key found', { fingerprint: fingerprint(key), source: 'TCP_STRIPER_KEY' });
    return key;
  }
  const path = file ?? defaultKeyFile(env);
  if (file === undefined && !existsSync(path)) throw new UsageError(noKey(path));
  const { key, exposed } = readKeyFile(path);
  if (exposed) warnOfExposure(path, logger);
  logger.info('key found', { fingerprint: fingerprint(key), source: path });
  return key;
}

/** @throws {UsageError} */
export function findToken(
  file: string | undefined,
  env: Io['env'],
  logger: Logger | null,
): string | null {
  const text = env.TCP_STRIPER_ADMIN_TOKEN;
  if (file === undefined) {
    return text === undefined ? null : checkToken(text.trim(), 'TCP_STRIPER_ADMIN_TOKEN');
  }
  const secret = readSecret(file, 'token file');
  if (secret.exposed && logger !== null) warnOfExposure(file, logger);
  return checkToken(secret.text, `the token file ${file}`);
}

function noKey(path: string): string {
  return `no key: make one with 'tcp-striper key new' (it writes ${path}), bring the same file to the other end, or name it with --key-file FILE or TCP_STRIPER_KEY`;
}

function warnOfExposure(path: string, logger: Logger): void {
  logger.warn('other users can read this secret', { file: path, cure: `chmod 600 ${path}` });
}
