import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runDemo } from '../../src/app/demo.ts';
import type { Logger } from '../../src/core/log.ts';
import type { ProcessEvents, StopSignal } from '../../src/sys/proc.ts';

const limited = { timeout: 30_000 }; // ms

/** Collects what the demo shows and says. */
function audience(isTTY: boolean) {
  let text = '';
  const said: string[] = [];
  const say = (message: string): void => {
    said.push(message);
  };
  const logger: Logger = { debug() {}, info: say, warn: say, error: say };
  let onWrite = (): void => {};
  const write = (piece: string): void => {
    text += piece;
    onWrite();
  };
  return {
    out: { write, isTTY, columns: 90 },
    logger,
    said,
    text: () => text,
    onWrite: (fn: () => void) => {
      onWrite = fn;
    },
  };
}

/** Requests to stop that come when the test says so. */
function stopper() {
  const handlers = new Set<(signal: StopSignal) => void>();
  const events: ProcessEvents = {
    onStop(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    onUncaught: () => () => {},
  };
  return {
    events,
    handlers,
    stop: (signal: StopSignal) => {
      for (const handler of handlers) handler(signal);
    },
  };
}

describe('demo', () => {
  for (const isTTY of [false, true]) {
    const where = isTTY ? 'on a terminal' : 'off a terminal';
    test(`${where}: both downloads right, a lane killed, a table`, limited, async () => {
      const { events, handlers } = stopper();
      const { out, logger, said, text } = audience(isTTY);
      const options = { lanes: 4, rate: 500_000, rtt: 20, fileBytes: 1_000_000, events };
      assert.equal(await runDemo(options, logger, out), 0);
      assert.match(text(), /plain TCP .*100 %/);
      assert.match(text(), /4 lanes .*100 % .*one lane killed/);
      assert.match(text(), /\n {2}gain +1\.0x +\d+\.\dx\n/);
      assert.match(text(), /\n {2}lanes +1 +4, one killed\n/);
      assert.match(text(), /\n {2}SHA-256 +right +right\n/);
      assert.equal(text().includes('\x1b['), isTTY);
      assert.deepEqual(said, []);
      assert.equal(handlers.size, 0);
    });
  }

  test('a request to stop ends it at once, with nothing left open', limited, async () => {
    const { events, handlers, stop } = stopper();
    const { out, logger, text, onWrite } = audience(false);
    onWrite(() => {
      if (text().includes('plain TCP  ')) stop('SIGINT');
    });
    const options = { lanes: 2, rate: 50_000, fileBytes: 10_000_000, events };
    assert.equal(await runDemo(options, logger, out), 130);
    assert.match(text(), /stopped\n$/);
    assert.equal(handlers.size, 0);
  });
});
