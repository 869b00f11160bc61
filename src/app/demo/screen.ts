/** Where the demo shows itself: stdout, or anything like it. */
export interface DemoOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  /** As a terminal answers it: false if `NO_COLOR` is set. */
  hasColors?(): boolean;
}

export type Paint = (text: string) => string;

/** Lines that stay, and, on a terminal, a block below them that is drawn again and again. */
export class Screen {
  /** True on a terminal. */
  readonly isLive: boolean;
  readonly bold: Paint;
  readonly dim: Paint;
  readonly green: Paint;
  readonly red: Paint;
  readonly #out: DemoOutput;
  #drawn = 0;

  constructor(out: DemoOutput) {
    this.#out = out;
    this.isLive = out.isTTY === true;
    const hasColours = this.isLive && out.hasColors?.() === true;
    const paint = (on: number, off: number): Paint =>
      hasColours ? (text) => `\x1b[${on}m${text}\x1b[${off}m` : (text) => text;
    this.bold = paint(1, 22);
    this.dim = paint(2, 22);
    this.green = paint(32, 39);
    this.red = paint(31, 39);
  }

  /** Columns that a line may fill. */
  get width(): number {
    return this.#out.columns ?? 80;
  }

  line(text = ''): void {
    this.#drawn = 0;
    this.#out.write(`${text}\n`);
  }

  /** Shows `lines` in place of those that were drawn last. Only for a terminal. */
  draw(lines: readonly string[]): void {
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '';
    this.#out.write(up + lines.map((line) => `\r${line}\x1b[K\n`).join(''));
    this.#drawn = lines.length;
  }
}
