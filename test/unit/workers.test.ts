import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { parseWorkers, workerCount } from '../../src/app/config.ts';
import type { MemoryStatus, ProxyStatus, SessionStatus } from '../../src/app/status.ts';
import { mergedReadiness, mergedStatus } from '../../src/app/workers/merge.ts';
import { UsageError } from '../../src/core/usage-error.ts';

const MiB = 1024 * 1024;

test('a number of workers from 1 to 64, or auto', () => {
  assert.deepEqual(['1', '64', 'auto'].map(parseWorkers), [1, 64, 'auto']);
  for (const text of ['0', '65', '-1', '1.5', 'all', '']) {
    assert.throws(() => parseWorkers(text), UsageError, text);
  }
});

test('each worker has memory enough: auto takes fewer, a number is refused', () => {
  assert.equal(workerCount('auto', 1024 * MiB), Math.min(64, availableParallelism()));
  assert.equal(workerCount('auto', 16 * MiB), 1);
  assert.equal(workerCount(4, 64 * MiB), 4);
  assert.throws(() => workerCount(5, 64 * MiB), /--workers 5 needs --memory 80MiB at least/);
});

test('a proxy without workers loads nothing of theirs', () => {
  const source = new URL('../../../src/', import.meta.url);
  const users = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('workers'))
    .filter((name) => readFileSync(new URL(name, source), 'utf8').includes('/workers/'));
  assert.deepEqual(users.toSorted(), ['cli/commands/entry.ts', 'cli/commands/exit.ts']);
  for (const name of users) {
    const text = readFileSync(new URL(name, source), 'utf8');
    assert.equal(text.match(/\/workers\//g)?.length, 1);
    assert.match(text, /if \(workers > 1\) \{\s*const \{ startPrimary \} = await import\(/);
  }
});

test('a merged status has the sessions and the memory of all workers that answer', () => {
  const own = { role: 'exit', version: '1', uptimeSeconds: 2, listen: ['here:1'] } as const;
  const merged = mergedStatus({ ...own, listen: [...own.listen] }, 100, [
    { number: 1, pid: 11, answer: statusOf(['a', 'b'], 1) },
    { number: 2, pid: 12, answer: null },
    { number: 3, pid: null, answer: null },
    { number: 4, pid: 14, answer: statusOf(['c'], 2) },
  ]);
  assert.deepEqual(
    merged.sessions.map(({ id, worker }) => [id, worker]),
    [
      ['a', 1],
      ['b', 1],
      ['c', 4],
    ],
  );
  assert.deepEqual(merged.workers, [
    { number: 1, pid: 11, state: 'up' },
    { number: 2, pid: 12, state: 'silent' },
    { number: 3, pid: null, state: 'down' },
    { number: 4, pid: 14, state: 'up' },
  ]);
  assert.deepEqual(merged.memory, { ...memoryOf(3), budgetBytes: 100 });
  assert.deepEqual([merged.role, merged.uptimeSeconds, merged.listen], ['exit', 2, ['here:1']]);
});

test('an entry is ready when all its workers are, an exit when one is', () => {
  const ready = { number: 1, pid: 1, answer: { ready: true } } as const;
  const unready = { number: 2, pid: 2, answer: { ready: false, reason: 'why' } } as const;
  const silent = { number: 3, pid: null, answer: null };
  assert.deepEqual(mergedReadiness('entry', [ready, unready]), unready.answer);
  assert.deepEqual(mergedReadiness('exit', [ready, unready]), ready.answer);
  assert.deepEqual(mergedReadiness('exit', [unready, silent]), unready.answer);
  assert.deepEqual(mergedReadiness('entry', [ready, silent]), ready.answer);
  for (const role of ['entry', 'exit'] as const) {
    assert.equal(mergedReadiness(role, [silent]).ready, false);
  }
});

function statusOf(ids: string[], bytes: number): ProxyStatus {
  return {
    ...{ role: 'exit', version: '1', uptimeSeconds: 1, listen: [], memory: memoryOf(bytes) },
    // Stated cast: merging looks at nothing else.
    sessions: ids.map((id) => ({ id })) as SessionStatus[],
  };
}

function memoryOf(bytes: number): MemoryStatus {
  return {
    budgetBytes: bytes,
    usedBytes: bytes,
    readBufferBytes: bytes,
    sendBytes: bytes,
    receiveBytes: bytes,
    sessionWindowBytes: bytes,
  };
}
