import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Each folder may import itself and what stands to its left. */
const layers = ['core', 'data', 'protocol', 'loop', 'sys', 'io', 'app', 'cli'];
const pureLayers = ['core', 'data', 'protocol'];
/** What the compiler lets through in a pure layer, and what it would catch: named here with a better message. */
const impure =
  /\b(Date|performance|process|Buffer|setTimeout|setInterval|setImmediate|queueMicrotask|console|globalThis)\b|\bMath\.random\b/;
const maxLines = 400;

const source = join(repositoryRoot(), 'src');
const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, layer: layerOf(name), text: readFileSync(join(source, name), 'utf8') }));

test('every source file belongs to a layer', () => {
  assert.ok(files.length > 10, `only ${files.length} files found in ${source}`);
  const strays = files.filter(({ name, layer }) => !layers.includes(layer) && name !== 'index.ts');
  assert.deepEqual(named(strays), []);
});

test('a file imports only from its own layer and those to its left', () => {
  const wrong = files
    .filter(({ name }) => name !== 'index.ts')
    .flatMap(({ name, layer, text }) =>
      importsOf(text)
        .filter((path) => path.startsWith('.'))
        .map((path) => join(dirname(name), path).replaceAll('\\', '/'))
        .filter((target) => !(layers.indexOf(layerOf(target)) <= layers.indexOf(layer)))
        .map((target) => `${name} imports ${target}`),
    );
  assert.deepEqual(wrong, []);
});

test('the pure layers know no package, platform, clock or randomness', () => {
  const wrong = files
    .filter(({ layer }) => pureLayers.includes(layer))
    .flatMap(({ name, text }) => {
      const foreign = importsOf(text).filter((path) => !path.startsWith('.'));
      const word = impure.exec(withoutComments(text))?.[0];
      return [...foreign, ...(word === undefined ? [] : [word])].map((what) => `${name}: ${what}`);
    });
  assert.deepEqual(wrong, []);
});

test('no package but the declared ones is imported', () => {
  const manifest = JSON.parse(readFileSync(join(source, '..', 'package.json'), 'utf8'));
  const declared = Object.keys(manifest.dependencies);
  const wrong = files.flatMap(({ name, text }) =>
    importsOf(text)
      .filter((path) => !path.startsWith('.') && !path.startsWith('node:'))
      .filter((path) => !declared.some((name) => path === name || path.startsWith(`${name}/`)))
      .map((path) => `${name} imports ${path}`),
  );
  assert.deepEqual(wrong, []);
});

test(`no source file has more than ${maxLines} lines`, () => {
  const long = files.filter(({ text }) => text.trimEnd().split('\n').length > maxLines);
  assert.deepEqual(named(long), []);
});

function layerOf(name: string): string {
  return name.split('/')[0]!;
}

function importsOf(text: string): string[] {
  const found = withoutComments(text).matchAll(
    /(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"]([^'"\n]+)['"]/g,
  );
  return [...found].map((match) => match[1]!);
}

/** Rough, but no string in a source file holds a comment's opening before a slash or a star alone. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}

function named(some: readonly { name: string }[]): string[] {
  return some.map(({ name }) => name);
}

/** The folder with package.json above this file, compiled or not. */
function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
