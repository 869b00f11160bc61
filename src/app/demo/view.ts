import { formatRate, formatSize } from '../../core/units.ts';
import type { Meter } from './meter.ts';
import type { Screen } from './screen.ts';

/** Shows downloads while they run: drawn lines on a terminal, else a line a second. */
export class Progress {
  readonly #meters: readonly Meter[];
  readonly #screen: Screen;
  readonly #ticker: NodeJS.Timeout;

  constructor(meters: readonly Meter[], screen: Screen) {
    this.#meters = meters;
    this.#screen = screen;
    this.#ticker = setInterval(() => this.#show(), screen.isLive ? 100 : 1000);
    this.#show();
  }

  ended(meter: Meter): void {
    if (this.#screen.isLive) this.#show();
    else this.#screen.line(progressLine(meter, this.#screen));
  }

  stop(): void {
    clearInterval(this.#ticker);
  }

  #show(): void {
    const lineOf = (meter: Meter): string => progressLine(meter, this.#screen);
    const running = this.#meters.filter(({ state }) => state === 'running');
    if (this.#screen.isLive) this.#screen.draw(this.#meters.map(lineOf));
    else for (const meter of running) this.#screen.line(lineOf(meter));
  }
}

/** One line of progress; with a bar on a terminal, if it is wide enough. */
function progressLine(meter: Meter, screen: Screen): string {
  const label = `  ${meter.label.padEnd(LABEL)}`;
  if (meter.state === 'waiting') return screen.dim(`${label}waiting`);
  const percent = `${Math.floor(meter.done * 100)} %`.padStart(5);
  const rate = formatRate(meter.rate).padStart(13);
  const time = timeOf(meter).padStart(11);
  const text = `${percent}${rate}${time}${meter.note === '' ? '' : `  ${meter.note}`}`;
  const room = screen.width - label.length - text.length - 1;
  if (!screen.isLive) return label + text;
  if (room < 10) return (label + text).slice(0, screen.width - 1);
  return `${label}${bar(meter.done, Math.min(room, LONGEST_BAR), screen)}${text}`;
}

export interface Outcome {
  readonly meter: Meter;
  readonly isRight: boolean;
  readonly lanes: string;
  readonly resent: string;
}

/** The two downloads side by side. */
export function outcomeTable([plain, striped]: [Outcome, Outcome], screen: Screen): string[] {
  const gain = striped.meter.rate / plain.meter.rate;
  const row = (title: string, of: (one: Outcome) => string): string =>
    `  ${screen.dim(title.padEnd(LABEL + 2))}${of(plain).padStart(COLUMN)}${of(striped).padStart(COLUMN)}`;
  const label = ({ meter }: Outcome): string => meter.label.padStart(COLUMN);
  return [
    screen.bold(' '.repeat(LABEL + 4) + [plain, striped].map(label).join('')),
    row('time', ({ meter }) => `${(meter.elapsed / 1000).toFixed(1)} s`),
    row('rate', ({ meter }) => formatRate(meter.rate)),
    row('gain', (one) => (one === plain ? '1.0x' : `${gain.toFixed(1)}x`)),
    row('lanes', ({ lanes }) => lanes),
    row('re-sent', ({ resent }) => resent),
    row('longest gap', ({ meter }) => `${Math.round(meter.longestGap)} ms`),
    row('SHA-256', ({ isRight }) => (isRight ? 'right' : 'WRONG')),
  ];
}

export function shareOf(bytes: number, total: number): string {
  return `${formatSize(bytes)} (${((bytes / total) * 100).toFixed(1)} %)`;
}

function timeOf(meter: Meter): string {
  if (meter.state === 'ended') return `${(meter.elapsed / 1000).toFixed(1)} s`;
  const isKnown = meter.elapsed >= SETTLED && Number.isFinite(meter.left);
  return isKnown ? `${Math.ceil(meter.left / 1000)} s left` : '';
}

function bar(done: number, width: number, screen: Screen): string {
  const full = Math.round(done * width);
  return screen.green('█'.repeat(full)) + screen.dim('░'.repeat(width - full));
}

/** Characters of a column. */
const LABEL = 11;
const COLUMN = 22;
const LONGEST_BAR = 40;
/** ms after which a rate says something about the time left. */
const SETTLED = 700;
