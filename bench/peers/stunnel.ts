import type { Contender, Hop } from '../contender.ts';
import { certificate, cipherSuite } from './certificate.ts';

/** Debian's package installs the command under this name. */
const command = 'stunnel4';

export const stunnelPair: Contender = {
  name: 'stunnel pair',
  needs: [command, 'openssl'],
  hops: [hop(() => 'client = yes'), hop((file) => `cert = ${file}`)],
};

function hop(side: (certificate: string) => string): Hop {
  return (lab, listen, to) => {
    const config = lab.file(
      `stunnel-${listen}.conf`,
      `foreground = yes
pid =
debug = crit
syslog = no
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[hop]
accept = 127.0.0.1:${listen}
connect = 127.0.0.1:${to}
sslVersionMin = TLSv1.3
ciphersuites = ${cipherSuite}
${side(certificate(lab))}
`,
    );
    return lab.start(listen, command, [config]);
  };
}
