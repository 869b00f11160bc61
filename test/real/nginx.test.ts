import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MiB } from '../e2e/support/numbers.ts';
import { Pair } from '../e2e/support/pair.ts';
import { digestOfFile, patternOf, writePattern } from './support/files.ts';
import { missing } from './support/packages.ts';
import { freePort, must, serve, temporaryFolder } from './support/programs.ts';

const LARGE = 64 * MiB;
const skip = await missing({ nginx: 'nginx', curl: 'curl', openssl: 'openssl' });

test('curl and nginx', { skip, timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const ports = await startServer(t, folder);
  const plain = await Pair.start(t, { to: `127.0.0.1:${ports.http}` });
  const secure = await Pair.start(t, { to: `127.0.0.1:${ports.https}` });
  const http = `http://127.0.0.1:${plain.entry.port}`;
  const https = `https://127.0.0.1:${secure.entry.port}`;
  const large = await digestOfFile(join(folder, 'www', 'large'));
  const curl = (...args: string[]): Promise<Buffer> =>
    must('curl', ['--silent', '--show-error', '--fail', '--insecure', '--noproxy', '*', ...args]);

  await t.test('HTTP/1.1: several requests on one connection', async () => {
    const report = '%{http_version} %{http_code} %{num_connects}\\n';
    const sink = ['--output', '/dev/null'];
    const urls = [1, 2, 3].flatMap((n) => [...sink, `${http}/page-${n}`]);
    const output = (await curl('--write-out', report, ...urls)).toString();
    assert.equal(output, '1.1 200 1\n1.1 200 0\n1.1 200 0\n');
  });

  await t.test('HTTP/1.1: a range, and a range of what is not there', async () => {
    const whole = readFileSync(join(folder, 'www', 'large'));
    const range = await curl('--range', '1000000-1999999', `${http}/large`);
    assert.ok(range.equals(whole.subarray(1_000_000, 2_000_000)));
    await assert.rejects(curl('--range', `${LARGE}-`, `${http}/large`), /416/);
  });

  for (const [name, url, flags] of [
    ['HTTP/1.1', http, ['--http1.1']],
    ['HTTP/1.1 over TLS', https, ['--http1.1']],
    ['HTTP/2', https, ['--http2']],
  ] as const) {
    await t.test(`${name}: 64 MiB down`, async () => {
      const copy = join(folder, 'copy');
      const report = await curl(...flags, '-o', copy, '-w', '%{http_version}', `${url}/large`);
      assert.equal(report.toString(), name === 'HTTP/2' ? '2' : '1.1');
      assert.equal(await digestOfFile(copy), large);
    });

    await t.test(`${name}: 64 MiB up`, async () => {
      await curl(...flags, '-T', join(folder, 'www', 'large'), `${url}/uploads/large`);
      assert.equal(await digestOfFile(join(folder, 'www', 'uploads', 'large')), large);
    });
  }

  await t.test('HTTP/2: thirty requests at once on one connection', async () => {
    const urls = Array.from({ length: 30 }, (_, n) => n);
    const output = await curl(
      '--parallel',
      '--parallel-max',
      '30',
      '--http2',
      ...urls.flatMap((n) => ['-o', join(folder, `got-${n}`), `${https}/page-${n}`]),
    );
    assert.equal(output.length, 0);
    for (const n of urls) {
      assert.ok(readFileSync(join(folder, `got-${n}`)).equals(patternOf(50_000 + n, n)));
    }
  });
});

async function startServer(
  t: TestContext,
  folder: string,
): Promise<{ http: number; https: number }> {
  const [http, https] = [await freePort(), await freePort()];
  const path = (...names: string[]): string => join(folder, ...names);
  mkdirSync(path('www', 'uploads'), { recursive: true });
  writePattern(path('www', 'large'), LARGE, 1);
  for (let n = 0; n < 30; n += 1) writePattern(path('www', `page-${n}`), 50_000 + n, n);
  const certificate = ['-x509', '-nodes', '-newkey', 'rsa:2048', '-days', '2', '-subj', '/CN=test'];
  await must('openssl', [
    'req',
    ...certificate,
    '-keyout',
    path('tls.key'),
    '-out',
    path('tls.pem'),
  ]);
  writeFileSync(
    path('nginx.conf'),
    `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${path('pid')};
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  root ${path('www')};
  client_max_body_size 0;
  client_body_temp_path ${path('body')};
  proxy_temp_path ${path('proxy')};
  fastcgi_temp_path ${path('fastcgi')};
  uwsgi_temp_path ${path('uwsgi')};
  scgi_temp_path ${path('scgi')};
  ssl_certificate ${path('tls.pem')};
  ssl_certificate_key ${path('tls.key')};
  server {
    listen 127.0.0.1:${http};
    listen 127.0.0.1:${https} ssl http2;
    location /uploads { dav_methods PUT; }
  }
}
`,
  );
  await serve(t, http, 'nginx', ['-p', folder, '-e', 'stderr', '-c', path('nginx.conf')]);
  return { http, https };
}
