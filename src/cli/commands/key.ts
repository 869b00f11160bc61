import { defaultKeyFile, fingerprint, newKey, writeKeyFile } from '../../sys/key.ts';
import { ExitStatus } from '../../sys/proc.ts';
import { type Io, print } from '../io.ts';

export function newKeyFile(io: Io, file: string | undefined): number {
  const path = file ?? defaultKeyFile(io.env);
  const key = newKey();
  writeKeyFile(path, key);
  print(io, `key         ${path}`);
  print(io, `fingerprint ${fingerprint(key)}`);
  return ExitStatus.done;
}
