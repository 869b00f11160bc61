import { BrokenPipe } from './pipe.ts';

/** Node's error codes, sorted by what they mean for a pipe. */
export function causeOf(error: NodeJS.ErrnoException): BrokenPipe {
  const code = error.code ?? '';
  if (resets.has(code)) {
    return new BrokenPipe('reset', 'the peer reset the connection', { cause: error });
  }
  const kind = code.startsWith('ERR_SSL') ? 'protocol' : 'lost';
  return new BrokenPipe(kind, `the connection failed: ${error.message}`, { cause: error });
}

const resets = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);
