import type { Contender, Hop } from '../contender.ts';
import { certificate, cipherSuite } from './certificate.ts';

const needs = ['haproxy'];
const plain = hop({});
const large = hop({ global: 'tune.bufsize 65536' });
const splice = hop({ defaults: 'option splice-auto' });

export const haproxyTwice: Contender = { name: 'HAProxy twice', needs, hops: [plain, plain] };

export const haproxyLargeTwice: Contender = {
  name: 'HAProxy twice, 64 KiB',
  needs,
  hops: [large, large],
};

export const haproxySpliceTwice: Contender = {
  name: 'HAProxy twice, splice',
  needs,
  hops: [splice, splice],
};

export const haproxyOnce: Contender = { name: 'HAProxy', needs, hops: [plain] };
export const haproxySpliceOnce: Contender = { name: 'HAProxy, splice', needs, hops: [splice] };

export const haproxyTls: Contender = {
  name: 'HAProxy-TLS pair',
  needs: [...needs, 'openssl'],
  hops: [
    hop({
      global: `ssl-default-server-ciphersuites ${cipherSuite}`,
      server: 'ssl verify none ssl-min-ver TLSv1.3',
    }),
    (lab, listen, to) =>
      hop({
        global: `ssl-default-bind-ciphersuites ${cipherSuite}`,
        bind: `ssl crt ${certificate(lab)} ssl-min-ver TLSv1.3`,
      })(lab, listen, to),
  ],
};

interface Parts {
  readonly global?: string;
  readonly defaults?: string;
  readonly bind?: string;
  readonly server?: string;
}

/** One thread, as all contenders have for their work. */
function hop({ global = '', defaults = '', bind = '', server = '' }: Parts): Hop {
  return (lab, listen, to) => {
    const config = lab.file(
      `haproxy-${listen}.cfg`,
      `global
  nbthread 1
  ${global}
defaults
  mode tcp
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  ${defaults}
listen hop
  bind 127.0.0.1:${listen} ${bind}
  server next 127.0.0.1:${to} ${server}
`,
    );
    return lab.start(listen, 'haproxy', ['-db', '-q', '-f', config]);
  };
}
