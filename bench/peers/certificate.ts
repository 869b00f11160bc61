import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab.ts';

/** The suite that our own lanes use, so that all encrypt alike. */
export const cipherSuite = 'TLS_AES_128_GCM_SHA256';

const made = new WeakMap<Lab, string>();

/** The path of a file with a key and a certificate of its own for `localhost`. @throws {Error} */
export function certificate(lab: Lab): string {
  const known = made.get(lab);
  if (known !== undefined) return known;
  const key = join(lab.folder, 'key.pem');
  const cert = join(lab.folder, 'cert.pem');
  const args =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost';
  const done = spawnSync('openssl', [...args.split(' '), '-keyout', key, '-out', cert], {
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`openssl made no certificate: ${done.stderr}`);
  const both = lab.file('both.pem', readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'));
  made.set(lab, both);
  return both;
}
