import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import type { Logger } from '../../src/core/log.ts';
import { createLogger, type LogOptions } from '../../src/sys/log.ts';

const noon = new Date(2026, 0, 2, 12, 34, 56, 7);

test('JSON: one object a line, with time, level, message and facts', () => {
  const { logger, lines } = capture({ format: 'json' });
  logger.warn('lane lost', { lane: 3, cause: 'read ECONNRESET', peer: undefined });
  assert.deepEqual(JSON.parse(lines()[0]!), {
    time: noon.toISOString(),
    level: 'warn',
    message: 'lane lost',
    lane: 3,
    cause: 'read ECONNRESET',
  });
});

test('pretty: local time, level, message, facts; quotes only where they are needed', () => {
  const { logger, lines } = capture({ format: 'pretty' });
  logger.warn('lane lost', { lane: 3, cause: 'read "x" failed', peer: undefined });
  logger.info('done');
  assert.deepEqual(lines(), [
    '12:34:56.007 warn  lane lost  lane=3 cause="read \\"x\\" failed"',
    '12:34:56.007 info  done',
  ]);
});

test('auto is pretty on a terminal and JSON elsewhere', () => {
  const pipe = capture({ format: 'auto' });
  pipe.logger.info('x');
  assert.match(pipe.lines()[0]!, /^\{/);
  const terminal = capture({ format: 'auto' }, true);
  terminal.logger.info('x');
  assert.match(terminal.lines()[0]!, /info/);
  assert.doesNotMatch(terminal.lines()[0]!, /^\{/);
});

test('colours follow the terminal, NO_COLOR and FORCE_COLOR', () => {
  const cases: [boolean, Record<string, string>, boolean][] = [
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [false, { FORCE_COLOR: '1' }, true],
    [true, { FORCE_COLOR: '0' }, false],
  ];
  for (const [isTerminal, env, coloured] of cases) {
    const { logger, lines } = capture({ format: 'pretty', env }, isTerminal);
    logger.info('x');
    assert.equal(lines()[0]!.includes('\x1b['), coloured, JSON.stringify([isTerminal, env]));
  }
});

test('a level hides what is below it', () => {
  const all = ['debug', 'info', 'warn', 'error', 'silent'] as const;
  for (const [index, level] of all.entries()) {
    const { logger, lines } = capture({ format: 'json', level });
    logger.debug('x');
    logger.info('x');
    logger.warn('x');
    logger.error('x');
    assert.deepEqual(
      lines().map((line) => JSON.parse(line).level),
      all.slice(index, 4),
    );
  }
});

test('text from a peer cannot begin a line or move the cursor', () => {
  const evil = 'a\nb\r\x1b[2Jc\u2028d\u0085e\u202ef';
  for (const format of ['pretty', 'json'] as const) {
    const { logger, text } = capture({ format });
    logger.info(evil, { cause: evil });
    assert.equal(text().split('\n').length, 2, 'one line and the end of it');
    assert.ok(!text().includes('\r') && !text().includes('\x1b'), JSON.stringify(text()));
  }
});

test('a reader that went away is no failure', () => {
  const out = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    },
  });
  const logger = createLogger({ level: 'info', format: 'json', out });
  assert.doesNotThrow(() => {
    for (let n = 0; n < 10; n += 1) logger.info('x');
  });
});

test('a slow reader costs lines, not memory, and is told how many', () => {
  let taken = '';
  let resume = (): void => {};
  const out = new Writable({
    write(chunk, _encoding, done) {
      taken += String(chunk);
      resume = done;
    },
  });
  const logger = createLogger({ level: 'info', format: 'json', out });
  const long = 'x'.repeat(10_000);
  for (let n = 0; n < 1000; n += 1) logger.info(long);
  assert.ok(out.writableLength < 1_200_000, `${out.writableLength} bytes wait`);
  while (out.writableLength > 0) resume();
  logger.info('after');
  resume();
  const lines = taken
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const gap = lines.find((line) => line.level === 'warn');
  assert.equal(lines.length - 2 + gap.lines, 1000);
  assert.equal(lines.at(-1).message, 'after');
});

function capture(
  options: Partial<LogOptions>,
  isTTY = false,
): { logger: Logger; text: () => string; lines: () => string[] } {
  let text = '';
  const out = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk);
        done();
      },
    }),
    { isTTY },
  );
  const logger = createLogger({ level: 'debug', format: 'json', out, now: () => noon, ...options });
  return { logger, text: () => text, lines: () => text.split('\n').slice(0, -1) };
}
