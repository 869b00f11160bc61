// Brings a bare clone to a built state: installs what is missing, compiles what has changed, and bundles it.
// Uses only what Node ships, because it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const installed = join(root, 'node_modules', '.package-lock.json');
const locked = join(root, 'package-lock.json');

function run(what, command, args) {
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (done.status !== 0) {
    console.error(`${what} failed (${command} ${args.join(' ')}, exit status ${done.status})`);
    process.exit(1);
  }
}

const stale =
  !existsSync(installed) || statSync(locked).mtimeMs > statSync(installed).mtimeMs + 1000;
if (stale) {
  console.error('installing what is missing (npm install)');
  // Not `npm ci`: it refuses a lock file without the optional packages of platforms other than this one.
  run('the installation', 'npm', [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
}
run('the build', process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b']);
run('the bundle', process.execPath, [join(root, 'tools', 'bundle.mjs')]);
