import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** What a busy process has use for, both halves, bytes. */
const WIDE = 8 * 1024 * 1024;
/** How V8 begins, and how small it makes it again, about. */
const NARROW = 2 * 1024 * 1024;
/** Numbers in one piece of ballast (64 KiB), and the most pieces. */
const PIECE = 8 * 1024;
const MOST_PIECES = 64;

/**
 * Makes V8's space for new objects wide, if it isn't. V8 does that only when much has survived collections,
 * so something does for a moment: ballast. It takes some ms. Where little is allocated, V8 makes the space
 * narrow again by itself.
 */
export function widenYoungHeap(): void {
  const bytes = youngHeapBytes();
  if (bytes >= WIDE) return;
  // One that V8 has made somewhat narrower needs less, or it would get wider than it was.
  const factor = Math.ceil(WIDE / Math.max(NARROW, bytes));
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
  const ballast: number[][] = [];
  while (ballast.length < MOST_PIECES && youngHeapBytes() < WIDE)
    ballast.push(new Array<number>(PIECE).fill(0));
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** The space for new objects, both halves; in use or not. */
export function youngHeapBytes(): number {
  const spaces = getHeapSpaceStatistics();
  return spaces.find(({ space_name }) => space_name === 'new_space')?.space_size ?? WIDE;
}
