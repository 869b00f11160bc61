import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Pair } from '../e2e/support/pair.ts';
import { describeTree, plantTree, writePattern } from './support/files.ts';
import { missing } from './support/packages.ts';
import { freePort, must, serve, temporaryFolder } from './support/programs.ts';

const skip = await missing({ rsync: 'rsync' });

test('rsync', { skip, timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const port = await startServer(t, folder);
  const pair = await Pair.start(t, { to: `127.0.0.1:${port}` });
  const module = `rsync://127.0.0.1:${pair.entry.port}/files`;
  const [source, far, copy] = ['source', 'far', 'copy'].map((name) => join(folder, name));
  mkdirSync(source!);
  plantTree(source!);
  const tree = describeTree(source!);

  await t.test('a tree up', async () => {
    await must('rsync', ['-a', `${source}/`, `${module}/`]);
    assert.deepEqual(describeTree(far!), tree);
  });

  await t.test('the tree down, compressed', async () => {
    await must('rsync', ['-az', `${module}/`, `${copy}/`]);
    assert.deepEqual(describeTree(copy!), tree);
  });

  await t.test('only what has changed', async () => {
    writePattern(join(source!, 'folder 3', 'inner', 'ümlaut', 'file-7'), 500_000, 99);
    const output = await must('rsync', ['-a', '--out-format=%n', `${source}/`, `${module}/`]);
    const files = output
      .toString()
      .trim()
      .split('\n')
      .filter((name) => !name.endsWith('/'));
    assert.equal(files.length, 1, output.toString());
    assert.match(files[0]!, /folder 3.*file-7$/);
    assert.deepEqual(describeTree(far!), describeTree(source!));
  });

  await t.test('a module that is not there', async () => {
    await assert.rejects(must('rsync', [module.replace('/files', '/nothing')]), /Unknown module/);
  });
});

async function startServer(t: TestContext, folder: string): Promise<number> {
  const port = await freePort();
  mkdirSync(join(folder, 'far'));
  const config = join(folder, 'rsyncd.conf');
  const isRoot = process.getuid?.() === 0;
  writeFileSync(
    config,
    `pid file = ${join(folder, 'pid')}
use chroot = no
munge symlinks = no
${isRoot ? 'uid = root\ngid = root' : ''}
[files]
path = ${join(folder, 'far')}
read only = no
`,
  );
  const where = ['--address', '127.0.0.1', '--port', `${port}`];
  await serve(t, port, 'rsync', ['--daemon', '--no-detach', ...where, '--config', config]);
  return port;
}
