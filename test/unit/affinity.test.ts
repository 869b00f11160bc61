import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { affinityDigits, affinityOf, MAX_HEAD_BYTES } from '../../src/protocol/affinity.ts';
import { plainGreeting } from '../../src/protocol/handshake.ts';
import { secureClient } from '../../src/sys/tls.ts';

for (const affinity of [0, 1, 0x0badcafe, 0xffff_ffff]) {
  test(`the affinity ${affinity} shows with the last byte of a lane's first message`, async () => {
    for (const opening of [plainGreeting(affinity), await clientHello(affinityDigits(affinity))]) {
      for (let length = 0; length < opening.length; length += 1) {
        assert.equal(affinityOf(opening.subarray(0, length)), 'more', `${length} bytes`);
      }
      assert.equal(affinityOf(opening), affinity);
      // What comes behind it makes no difference.
      assert.equal(affinityOf(Uint8Array.of(...opening, 1, 2, 3)), affinity);
    }
  });
}

test('what can have none is known as soon as that shows', async () => {
  assert.equal(affinityOf(ascii('G')), 'none');
  assert.equal(affinityOf(ascii('TCPX')), 'none');
  assert.equal(affinityOf(ascii('\x17')), 'none');
  const tooLong = Uint8Array.of(22, 3, 1, MAX_HEAD_BYTES >> 8, MAX_HEAD_BYTES & 0xff);
  assert.equal(affinityOf(tooLong), 'none');
  assert.equal(affinityOf(await clientHello('-')), 'none', 'an identity without one');
  assert.equal(affinityOf(Uint8Array.of(22, 3, 1, 0, 1, 1)), 'none', 'a message that is cut short');
  assert.equal(affinityOf(Uint8Array.of(22, 3, 1, 0, 0)), 'none');
  assert.equal(affinityOf(Uint8Array.of(22, 3, 1, 0, 4, 2, 0, 0, 0)), 'none', 'a ServerHello');
});

/** What a TLS entry sends first. */
async function clientHello(identitySuffix: string): Promise<Uint8Array> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const key = new Uint8Array(32).fill(1);
  const securing = secureClient(socket, key, { timeout: 5_000, identitySuffix });
  const [peer] = await accepted;
  const [hello] = (await once(peer, 'data')) as [Buffer];
  peer.destroy();
  await assert.rejects(securing);
  server.close();
  await once(server, 'close');
  return new Uint8Array(hello);
}

function ascii(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
