import type { Logger } from '../core/log.ts';
import { formatRate, formatSize } from '../core/units.ts';
import { ExitStatus, type ProcessEvents, processEvents, statusOfSignal } from '../sys/proc.ts';
import { download } from './demo/download.ts';
import { Meter } from './demo/meter.ts';
import { type Scene, setScene } from './demo/scene.ts';
import { type DemoOutput, Screen } from './demo/screen.ts';
import { type Outcome, outcomeTable, Progress, shareOf } from './demo/view.ts';

export type { DemoOutput } from './demo/screen.ts';

export interface DemoOptions {
  /** Default: 8. */
  readonly lanes?: number;
  /** What the route gives each TCP stream, in bytes per second. Default: 1,000,000. */
  readonly rate?: number;
  /** Round trip of the route in ms. Default: 40. */
  readonly rtt?: number;
  /** Size of the file in bytes. Default: 16 MiB. */
  readonly fileBytes?: number;
  /** Where the request to stop comes from. Default: the signals of this process. */
  readonly events?: ProcessEvents;
}

/**
 * Fetches one file twice across an emulated route that caps each TCP stream: by plain TCP, then
 * through an entry and an exit, whose busiest lane is killed half-way. Shows both on `out`.
 *
 * @returns the exit status: 0 only if all bytes were right both times.
 * @throws if the demo can't be set up, or a download fails.
 */
export async function runDemo(
  options: DemoOptions,
  logger: Logger,
  out: DemoOutput,
): Promise<number> {
  const { lanes = 8, rate = 1_000_000, rtt = 40, fileBytes = 16 << 20 } = options;
  const { events = processEvents } = options;
  const screen = new Screen(out);
  const stop = new AbortController();
  const ignoreStop = events.onStop((signal) => stop.abort(signal));
  const link = { rate, delay: rtt / 2 };
  let scene: Scene | null = null;
  try {
    screen.line();
    screen.line(
      `  A route that gives each TCP stream ${formatRate(rate)}, at a round trip of ${rtt} ms.`,
    );
    screen.line(
      `  The same file of ${formatSize(fileBytes)} comes over it twice, by HTTP: by plain TCP, and`,
    );
    screen.line(`  through tcp-striper with ${lanes} lanes, one of which is killed half-way.`);
    screen.line();
    scene = await setScene({ lanes, fileBytes, path: { up: link, down: link } }, demote(logger));
    await scene.lanesUp(LANES_UP_LIMIT, stop.signal);
    const outcomes = await downloadTwice(scene, screen, stop.signal);
    screen.line();
    for (const line of outcomeTable(outcomes, screen)) screen.line(line);
    screen.line();
    return outcomes.every(({ isRight }) => isRight) ? ExitStatus.done : ExitStatus.failure;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    screen.line();
    screen.line('  stopped');
    return statusOfSignal(stop.signal.reason);
  } finally {
    await scene?.close();
    ignoreStop();
  }
}

async function downloadTwice(scene: Scene, screen: Screen, signal: AbortSignal) {
  const { lanes, server, plainPort, entryPort } = scene;
  const plain = new Meter('plain TCP', server.size);
  const striped = new Meter(`${lanes} lanes`, server.size);
  const killHalfWay = (): void => {
    if (striped.done < 0.5 || striped.note !== '') return;
    striped.note = 'one lane killed';
    scene.laneRoute.connection('busiest').kill();
  };
  const progress = new Progress([plain, striped], screen);
  try {
    const plainDigest = await download(plainPort, plain, signal);
    progress.ended(plain);
    const stripedDigest = await download(entryPort, striped, signal, killHalfWay);
    progress.ended(striped);
    const outcomes: [Outcome, Outcome] = [
      { meter: plain, isRight: plainDigest === server.digest, lanes: '1', resent: '' },
      {
        meter: striped,
        isRight: stripedDigest === server.digest,
        lanes: `${lanes}, one killed`,
        resent: shareOf(scene.resentBytes(), server.size),
      },
    ];
    return outcomes;
  } finally {
    progress.stop();
  }
}

/** What the proxies say of a lane that the demo kills is no news to its user. */
function demote(logger: Logger): Logger {
  const { debug } = logger;
  return { debug, info: debug, warn: debug, error: logger.error };
}

const LANES_UP_LIMIT = 10_000; // ms
