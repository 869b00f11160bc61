import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender, Hop } from '../contender.ts';

const needs = ['nginx'];

const hop: Hop = (lab, listen, to) => {
  const folder = join(lab.folder, `nginx-${listen}`);
  mkdirSync(folder);
  const isRoot = process.getuid?.() === 0;
  const config = lab.file(
    `nginx-${listen}.conf`,
    `daemon off;
worker_processes 1;
${isRoot ? 'user root;' : ''}
pid ${folder}/pid;
error_log stderr crit;
${existsSync(STREAM_MODULE) ? `load_module ${STREAM_MODULE};` : ''}
events { worker_connections 24000; }
stream {
  server {
    listen 127.0.0.1:${listen} backlog=4096;
    proxy_pass 127.0.0.1:${to};
    proxy_buffer_size 256k;
  }
}
`,
  );
  return lab.start(listen, 'nginx', ['-p', folder, '-c', config, '-e', 'stderr']);
};

export const nginxTwice: Contender = { name: 'nginx twice, 256 KiB', needs, hops: [hop, hop] };
export const nginxOnce: Contender = { name: 'nginx, 256 KiB', needs, hops: [hop] };

/** Debian builds it as a module; elsewhere it may be built in. */
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';
