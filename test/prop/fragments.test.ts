import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Chunk } from '../../src/core/chunk.ts';
import { ProtocolViolation } from '../../src/core/errors.ts';
import { Channel } from '../../src/protocol/channel.ts';
import { ReceiveHalf } from '../../src/protocol/receive-half.ts';
import type { Segment } from '../../src/protocol/segment.ts';
import { Slabs } from './slabs.ts';

const WINDOW = 64 * 1024;

/**
 * One end writes, small pieces or large; frames arrive in any order and some are held back for long;
 * the reader never reads. However unlucky, an honest sender is never taken for a hostile one.
 */
test('what an honest sender has under way always fits into what its peer may hold', () => {
  const size = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 1, max: 3 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 3_000 }) },
  );
  const step = fc.record({ size, isLost: fc.boolean(), pick: fc.nat() });
  const steps = fc.array(step, { minLength: 1, maxLength: 20, size: 'max' });
  fc.assert(
    fc.property(steps, fc.boolean(), (pattern, reads) => {
      const send = new Channel(1, { sendLimit: WINDOW, receiveWindow: 0, isKnown: true }).send;
      const receive = new ReceiveHalf(WINDOW);
      const slabs = new Slabs();
      const late: Segment[] = [];
      let written = 0;
      let held = 0;
      for (let turn = 0; written < WINDOW; turn += 1) {
        const { size: length, isLost, pick } = pattern[turn % pattern.length]!;
        send.push(new Chunk(new Uint8Array(Math.min(length, WINDOW - written)).fill(turn)));
        written = send.next + send.queuedBytes;
        if (send.isFragmented) {
          // It waits for an acknowledgement, and one comes.
          const [segment] = late.splice(pick % late.length, 1);
          if (segment !== undefined) arrive(segment);
        } else {
          const segment = send.take(1_460, send.credit, 0);
          if (isLost || late.length === 0) late.push(segment);
          else arrive(segment);
        }
        held = Math.max(held, receive.heldBytes);
      }
      for (const segment of late.splice(0)) arrive(segment);
      assert.equal(receive.heldBytes + receive.next, send.next);
      receive.discard();
      slabs.assertAllHome();

      function arrive(segment: Segment): void {
        const { offset, length, chunk } = segment;
        receive.announce(offset, length, false);
        const piece = slabs.chunk(chunk!.bytes);
        try {
          if (reads && receive.bypass(offset, length)) piece.release();
          else receive.insert(offset, piece);
        } catch (error) {
          assert.ok(!(error instanceof ProtocolViolation), String(error));
          throw error;
        }
        send.onAcked(segment);
      }
    }),
    { numRuns: 30 },
  );
});
