import { readFileSync } from 'node:fs';
import * as net from 'node:net';
import * as tls from 'node:tls';

// node-pipe.js PORT TARGET [encrypt SUITE | decrypt SUITE CERTIFICATE]: the plainest relay that Node offers, to
// compare with. It accepts TLS where it is to decrypt, and connects by TLS where it is to encrypt.

const [port, target, role, ciphers, certificate] = process.argv.slice(2);
const host = '127.0.0.1';
const half = { allowHalfOpen: true, noDelay: true };
const suite = { ciphers: ciphers ?? '', minVersion: 'TLSv1.3' } as const;

function accept(onSocket: (near: net.Socket) => void): net.Server {
  if (role !== 'decrypt') return net.createServer(half, onSocket);
  const both = readFileSync(certificate!);
  return tls.createServer({ ...half, ...suite, key: both, cert: both }, onSocket);
}

function connect(): net.Socket {
  const far = net.connect({ ...half, host, port: Number(target) });
  if (role !== 'encrypt') return far;
  return tls.connect({ ...suite, socket: far, rejectUnauthorized: false });
}

accept((near) => {
  const far = connect();
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
  near.pipe(far).pipe(near);
}).listen({ host, port: Number(port), backlog: 4096 });
