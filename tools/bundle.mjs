// Joins the modules of the command line to a few files, which start faster: docs/adr/0012.
// The library and the tests use the modules as they were compiled.
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const out = join(dist, 'cli');

rmSync(out, { recursive: true, force: true });

await build({
  input: {
    main: join(dist, 'src', 'cli', 'main.js'),
    // Started as a process of its own, found beside the code that starts it.
    worker: join(dist, 'src', 'app', 'workers', 'worker.js'),
  },
  platform: 'node',
  external: ['commander'],
  logLevel: 'warn',
  output: {
    dir: out,
    format: 'cjs',
    entryFileNames: '[name].js',
    chunkFileNames: 'part-[name].js',
  },
});

// Node reads ES modules one by one and asynchronously; these are read at once.
writeFileSync(join(out, 'package.json'), '{ "type": "commonjs" }\n');
