import { connect, createServer } from 'node:net';

// node-pipe.js PORT TARGET: what Node's documentation would make a relay of, and what no proxy that
// is written with Node's sockets can be far below.

const [port, target] = process.argv.slice(2).map(Number);
const host = '127.0.0.1';

createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ host, port: target!, allowHalfOpen: true, noDelay: true });
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
  near.pipe(far).pipe(near);
}).listen({ host, port, backlog: 4096 });
