import assert from 'node:assert/strict';
import { Budget } from '../../src/data/budget.ts';
import type { StripedPipe } from '../../src/io/pipe-striped.ts';
import { Trunk, type TrunkHandler } from '../../src/io/trunk.ts';
import { nodeClock } from '../../src/loop/node-clock.ts';
import { createScheduler } from '../../src/protocol/scheduler.ts';
import { withResolvers } from './pairs.ts';
import type { PipePair } from './pipe.ts';

const INITIAL_WINDOW = 64 * 1024;
/** Bytes that may be under way. */
export const SESSION_WINDOW = 8 * 1024 * 1024;

/** One channel of a fresh session, striped over `lanes` fresh pipes. */
export function striped(makeLane: () => Promise<PipePair>, lanes: number): () => Promise<PipePair> {
  return async () => {
    const budget = new Budget(32 * 1024 * 1024);
    const opened = withResolvers<StripedPipe>();
    const entry = trunk('entry', budget, () => assert.fail('an exit opens nothing'));
    const exit = trunk('exit', budget, (pipe) => {
      pipe.accept();
      opened.resolve(pipe);
    });
    const carriers = await Promise.all(Array.from({ length: lanes }, makeLane));
    carriers.forEach((carrier, index) => {
      entry.trunk.addLane(index + 1, carrier.a, null);
      exit.trunk.addLane(index + 1, carrier.b, null);
    });
    const a = entry.trunk.open(new Uint8Array(0));
    return {
      a,
      b: await opened.promise,
      async close() {
        entry.trunk.close('SHUTDOWN');
        await Promise.all([entry.closed, exit.closed]);
        await Promise.all(carriers.map((carrier) => carrier.close()));
        assert.equal(budget.used, 0, 'nothing is held for sending');
        for (const { session } of [entry.trunk, exit.trunk]) {
          assert.equal(session.delivery.heldBytes, 0, 'nothing is held for delivery');
        }
      },
    };
  };
}

function trunk(
  role: 'entry' | 'exit',
  sendBudget: Budget,
  onOpen: TrunkHandler['onOpen'],
): { trunk: Trunk; closed: Promise<void> } {
  const { promise: closed, resolve } = withResolvers<void>();
  const options = {
    role,
    scheduler: createScheduler('adaptive'),
    sessionWindow: SESSION_WINDOW,
    initialWindow: INITIAL_WINDOW,
    peerSessionWindow: SESSION_WINDOW,
    peerInitialWindow: INITIAL_WINDOW,
    maxChannels: 16,
    sendBudget,
  };
  const handler = { onOpen, onLaneEnd() {}, onGoAway() {}, onClosed: () => resolve() };
  return { trunk: new Trunk(options, nodeClock, handler), closed };
}
