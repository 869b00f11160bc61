import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { UsageError } from '../../src/core/usage-error.ts';
import {
  defaultKeyFile,
  fingerprint,
  formatKey,
  newKey,
  parseKey,
  readKeyFile,
  writeKeyFile,
} from '../../src/sys/key.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tcp-striper-key-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const onPosix = { skip: process.platform === 'win32' && 'Windows has no modes' };

test('a key is 32 bytes, and its text is read back', () => {
  const key = newKey();
  assert.equal(key.length, 32);
  assert.match(formatKey(key), /^tsk1_[\w-]{43}$/);
  assert.deepEqual(parseKey(formatKey(key), 'here'), key);
  assert.notDeepEqual(newKey(), key);
});

test('a fingerprint is short, stable, and differs between keys', () => {
  const key = newKey();
  assert.match(fingerprint(key), /^[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}$/);
  assert.equal(fingerprint(key), fingerprint(Uint8Array.from(key)));
  assert.notEqual(fingerprint(key), fingerprint(newKey()));
  assert.equal(fingerprint(new Uint8Array(32)), 'f778-e7cf-8c04');
});

test('text that is no key is refused without being shown', () => {
  const text = formatKey(new Uint8Array(32).fill(255));
  const wrong = [
    '',
    'tsk1_',
    text.slice(0, -1),
    `${text}A`,
    text.replace('tsk1_', ''),
    text.replace('tsk1', 'tsk2'),
    `${text.slice(0, -1)}!`,
    `${text.slice(0, -1)}9`, // two bits beyond the last byte
    `${text.slice(0, 20)} ${text.slice(20)}`,
    'correct horse battery staple',
  ];
  for (const candidate of wrong) {
    assert.throws(
      () => parseKey(candidate, 'the file x'),
      (error: unknown) =>
        error instanceof UsageError &&
        error.message.startsWith('the file x holds no key') &&
        (candidate === '' || candidate === 'tsk1_' || !error.message.includes(candidate)),
      candidate,
    );
  }
});

test('a key file is written with its folders, for its owner only', onPosix, () => {
  const path = join(folder, 'deep', 'er', 'key');
  const key = newKey();
  writeKeyFile(path, key);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(folder, 'deep')).mode & 0o777, 0o700);
  assert.equal(readFileSync(path, 'utf8'), `${formatKey(key)}\n`);
  assert.deepEqual(readKeyFile(path), { key, exposed: false });
});

test('an existing file is left as it is', () => {
  const path = join(folder, 'key');
  writeFileSync(path, 'precious');
  assert.throws(() => writeKeyFile(path, newKey()), /key exists and is left as it is/);
  assert.equal(readFileSync(path, 'utf8'), 'precious');
});

test('a place where no file can be is named', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  assert.throws(() => writeKeyFile(join(file, 'key'), newKey()), UsageError);
  assert.throws(() => writeKeyFile(join(file, 'key'), newKey()), /cannot write the key file/);
});

test('a file that others can read is told apart', onPosix, () => {
  const path = join(folder, 'key');
  writeKeyFile(path, newKey());
  for (const mode of [0o640, 0o604, 0o644]) {
    chmodSync(path, mode);
    assert.equal(readKeyFile(path).exposed, true, mode.toString(8));
  }
});

test('white space around the key in a file does no harm', () => {
  const path = join(folder, 'key');
  const key = newKey();
  writeFileSync(path, `\n ${formatKey(key)}\r\n\n`, { mode: 0o600 });
  assert.deepEqual(readKeyFile(path).key, key);
});

test('a file without a key says which file, and why', () => {
  const path = join(folder, 'key');
  assert.throws(() => readKeyFile(path), /cannot read the key file .*key: it does not exist/);
  writeFileSync(path, '');
  assert.throws(() => readKeyFile(path), /the key file .*key holds no key/);
  assert.throws(() => readKeyFile(folder), /cannot read the key file .*EISDIR/);
});

test('a file that never ends is no trap', { skip: process.platform === 'win32' }, () => {
  assert.throws(() => readKeyFile('/dev/zero'), /holds no key/);
});

test('the default file honours XDG_CONFIG_HOME if that is a path', () => {
  const xdg = join(folder, 'config');
  assert.equal(defaultKeyFile({ XDG_CONFIG_HOME: xdg }), join(xdg, 'tcp-striper', 'key'));
  for (const env of [{}, { XDG_CONFIG_HOME: '' }, { XDG_CONFIG_HOME: 'relative' }]) {
    assert.ok(defaultKeyFile(env).endsWith(join('.config', 'tcp-striper', 'key')));
  }
});
