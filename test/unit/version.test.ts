import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { version } from '../../src/core/version.ts';

test('the version is that of the package', () => {
  const manifest = new URL('../../../package.json', import.meta.url);
  assert.equal(version, JSON.parse(readFileSync(manifest, 'utf8')).version);
});
