import { connect, createServer } from 'node:net';

// node-pipe.js PORT TARGET: the plainest relay that Node offers, to compare with.

const [port, target] = process.argv.slice(2).map(Number);
const host = '127.0.0.1';

createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ host, port: target!, allowHalfOpen: true, noDelay: true });
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
  near.pipe(far).pipe(near);
}).listen({ host, port, backlog: 4096 });
