import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemoryStatus, ProxyStatus, RelayStatus } from '../../src/app/status.ts';
import { renderStatus } from '../../src/cli/status-view.ts';

const memory: MemoryStatus = {
  budgetBytes: 268_435_456,
  usedBytes: 1_048_576,
  readBufferBytes: 0,
  sendBytes: 0,
  receiveBytes: 0,
  sessionWindowBytes: 0,
};

test('an entry: its session, lanes in columns, channels, re-sent bytes', () => {
  assert.equal(
    renderStatus(entryStatus),
    `\
entry 0.1.0, up 2m, listening on 127.0.0.1:55555
memory 1MiB of 256MiB

session 7263b7334605 with far.example:7000, encrypted
  lane  state        rate      rtt  in flight     cap  sent  received
     1  up     7.9 Mbit/s  41.2 ms     120KiB  160KiB  1GiB      3MiB
    12  down      0 bit/s   0.0 ms         0B      0B    0B        0B
  channels  3 active, 120 opened, 1 refused, 2 reset
  bytes     1GiB sent, 3MiB received
  re-sent   10.24MiB (1.00 %); duplicates received 0B; waiting for order 64KiB`,
  );
});

test('an exit without a session, and lanes without encryption, say so', () => {
  const bare: ProxyStatus = { ...entryStatus, role: 'exit', sessions: [] };
  assert.match(renderStatus(bare), /^exit .*\n.*\n\nno session$/);
  const [session] = entryStatus.sessions;
  const plain: ProxyStatus = { ...entryStatus, sessions: [{ ...session!, encrypted: false }] };
  assert.match(renderStatus(plain), /far\.example:7000, NOT encrypted/);
});

test('a relay: the legs of its connections, the first twenty', () => {
  const leg = { receivedBytes: 0, sentBytes: 2048, congestions: 7 };
  const bridges = Array.from({ length: 30 }, (_, id) => ({
    id,
    peer: `127.0.0.1:${1000 + id}`,
    target: 'db:5432',
    near: leg,
    far: { ...leg, sentBytes: 100 },
  }));
  const status: RelayStatus = {
    role: 'relay',
    version: '0.1.0',
    uptimeSeconds: 3,
    listen: ['[::]:1'],
    memory,
    connections: { active: 1200, opened: 1300, refused: 0, reset: 100 },
    bridges,
  };
  const lines = renderStatus(status).split('\n');
  assert.equal(lines[2], 'connections 1200 active, 1300 opened, 0 refused, 100 reset');
  assert.equal(
    lines[4],
    '  id  peer            target   there  back  congested there  congested back',
  );
  assert.equal(
    lines[5],
    '   0  127.0.0.1:1000  db:5432   100B  2KiB                7               7',
  );
  assert.equal(lines.length, 5 + 20 + 1);
  assert.equal(lines.at(-1), '  and 1180 more');
});

const entryStatus: ProxyStatus = {
  role: 'entry',
  version: '0.1.0',
  uptimeSeconds: 120,
  listen: ['127.0.0.1:55555'],
  memory,
  sessions: [
    {
      id: '7263b7334605',
      peer: 'far.example:7000',
      encrypted: true,
      lanes: [
        {
          id: 1,
          state: 'up',
          sentBytes: 1_073_741_824,
          receivedBytes: 3_145_728,
          rttMs: 41.23,
          inFlightBytes: 122_880,
          capBytes: 163_840,
          rateBytesPerSecond: 990_000,
        },
        {
          id: 12,
          state: 'down',
          sentBytes: 0,
          receivedBytes: 0,
          rttMs: 0,
          inFlightBytes: 0,
          capBytes: 0,
          rateBytesPerSecond: 0,
        },
      ],
      channels: { active: 3, opened: 120, refused: 1, reset: 2 },
      sentBytes: 1_073_741_824,
      receivedBytes: 3_145_728,
      sentPayloadBytes: 0,
      receivedPayloadBytes: 0,
      resentBytes: 10_737_418,
      duplicateBytes: 0,
      reorderBytes: 65_536,
    },
  ],
};
