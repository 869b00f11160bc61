/**
 * A second, naive reader of the wire, written from docs/PROTOCOL.md and not from the code: it wants
 * all bytes at once.
 */
export type Told =
  | { readonly kind: 'frame'; readonly type: number; readonly id: number; readonly body: string }
  | {
      readonly kind: 'data';
      readonly channel: number;
      readonly offset: number;
      readonly length: number;
      readonly fin: boolean;
      /** What has come of the payload, hexadecimal. */
      payload: string;
    }
  | { readonly kind: 'error'; readonly reason: string };

/** Smallest and largest length, by type. */
const lengths: Record<number, readonly [number, number]> = {
  0: [0, 1024],
  1: [8, 8],
  2: [8, 8],
  3: [8, 8],
  4: [2, 2],
  5: [6, 6],
  6: [2, 2],
  7: [2, 2],
  16: [4, 516],
  17: [6, 6],
  18: [2, 2],
  19: [8, 1_048_584],
  20: [12, 12],
  21: [8, 8],
  22: [2, 2],
};

export function decodeNaively(bytes: Uint8Array): Told[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const told: Told[] = [];
  let at = 0;
  while (bytes.length - at >= 8) {
    const type = view.getUint8(at);
    const length = view.getUint32(at) % 0x100_0000;
    const id = view.getUint32(at + 4);
    const [least, most] = type >= 128 ? [0, 1_048_576] : (lengths[type] ?? [-1, -1]);
    const reason =
      most < 0 || length < least ? 'BAD_FRAME' : length > most ? 'FRAME_TOO_LONG' : null;
    if (reason !== null) return [...told, { kind: 'error', reason }];
    const start = at + 8;
    const end = Math.min(start + length, bytes.length);
    const isWhole = end === start + length;
    if (type === 0x13) {
      if (end - start < 8) break;
      told.push({
        kind: 'data',
        channel: id,
        offset: view.getUint16(start) * 2 ** 32 + view.getUint32(start + 2),
        length: length - 8,
        fin: view.getUint16(start + 6) % 2 === 1,
        payload: hex(bytes.subarray(start + 8, end)),
      });
    } else if (type < 128 && isWhole) {
      told.push({ kind: 'frame', type, id, body: hex(bytes.subarray(start, end)) });
    }
    if (!isWhole) break;
    at = end;
  }
  return told;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
