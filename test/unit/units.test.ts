import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseSize,
} from '../../src/core/units.ts';
import { UsageError } from '../../src/core/usage-error.ts';

test('sizes are read with binary and decimal units', () => {
  const sizes: [string, number][] = [
    ['0', 0],
    ['65536', 65_536],
    ['700B', 700],
    ['64k', 65_536],
    ['64KiB', 65_536],
    ['64kB', 64_000],
    ['256MiB', 268_435_456],
    ['256M', 268_435_456],
    ['10MB', 10_000_000],
    ['1.5GiB', 1_610_612_736],
    [' 2 TiB ', 2_199_023_255_552],
  ];
  for (const [text, bytes] of sizes) assert.equal(parseSize(text), bytes, text);
});

test('what is no size is refused', () => {
  for (const text of [
    '',
    'MiB',
    '-1',
    '1e3',
    '1,5MiB',
    '5ib',
    '5PiB',
    '1.MiB',
    '9999999TiB',
    '0x10',
  ]) {
    assert.throws(() => parseSize(text), UsageError, text);
  }
});

test('durations are read in milliseconds', () => {
  const durations: [string, number][] = [
    ['0', 0],
    ['0s', 0],
    ['200us', 0.2],
    ['1.6us', 0.002],
    ['0.25ms', 0.25],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['2min', 120_000],
    ['1h', 3_600_000],
    ['24d', 2_073_600_000],
  ];
  for (const [text, ms] of durations) assert.equal(parseDuration(text), ms, text);
});

test('what is no duration, or too long for a timer, is refused', () => {
  for (const text of ['', '30', 's', '-1s', '1 week', '1m30s', '25d', '30S']) {
    assert.throws(() => parseDuration(text), UsageError, text);
  }
});

test('values are written as a reader would say them', () => {
  assert.equal(formatSize(0), '0B');
  assert.equal(formatSize(1023), '1023B');
  assert.equal(formatSize(268_435_456), '256MiB');
  assert.equal(formatSize(1_610_612_736), '1.5GiB');
  assert.equal(formatSize(123_456), '120.6KiB');
  assert.equal(formatDuration(0), '0ms');
  assert.equal(formatDuration(0.2), '200us');
  assert.equal(formatDuration(500), '500ms');
  assert.equal(formatDuration(30_000), '30s');
  assert.equal(formatDuration(90_000), '1.5m');
  assert.equal(formatRate(0), '0 bit/s');
  assert.equal(formatRate(990_000), '7.9 Mbit/s');
  assert.equal(formatRate(125_000_000), '1.0 Gbit/s');
});
