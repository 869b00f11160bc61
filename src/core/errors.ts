/**
 * Reasons that cross the wire, by number. The scope says what ends: a channel, the lane that carried
 * the fault, or the whole session.
 */
export const Reason = {
  NONE: { code: 0, scope: 'channel', text: 'no error' },
  // Channels.
  RESET: { code: 1, scope: 'channel', text: 'the connection was reset' },
  STOPPED: { code: 2, scope: 'channel', text: 'the reader no longer wants the data' },
  REFUSED: { code: 3, scope: 'channel', text: 'the target refused the connection' },
  UNREACHABLE: { code: 4, scope: 'channel', text: 'the target cannot be reached' },
  TIMEOUT: { code: 5, scope: 'channel', text: 'the target did not answer in time' },
  DNS: { code: 6, scope: 'channel', text: 'the name of the target cannot be resolved' },
  DENIED: { code: 7, scope: 'channel', text: 'the exit does not offer this target' },
  BUSY: { code: 8, scope: 'channel', text: 'the exit has too many connections' },
  GOING_AWAY: { code: 9, scope: 'channel', text: 'the session is ending' },
  LANES_LOST: {
    code: 10,
    scope: 'channel',
    text: 'all lanes were lost for longer than the resume limit',
  },
  // Sessions.
  SHUTDOWN: { code: 32, scope: 'session', text: 'the proxy is shutting down' },
  BAD_FRAME: { code: 33, scope: 'session', text: 'a frame breaks the protocol' },
  FRAME_TOO_LONG: { code: 34, scope: 'session', text: 'a frame is longer than the limit' },
  WINDOW_EXCEEDED: { code: 35, scope: 'session', text: 'data beyond the advertised window' },
  FINAL_OFFSET: { code: 36, scope: 'session', text: 'the final offset of a channel changed' },
  BAD_CHANNEL: { code: 37, scope: 'session', text: 'a channel id that cannot be' },
  TOO_MANY_FRAGMENTS: { code: 38, scope: 'session', text: 'too many fragments of a channel' },
  FLOOD: { code: 39, scope: 'session', text: 'too many requests of one kind' },
  BAD_ACK: { code: 40, scope: 'session', text: 'an acknowledgement of bytes that were never sent' },
  // Lanes.
  LANE_SILENT: { code: 64, scope: 'lane', text: 'nothing arrived on the lane for too long' },
  LANE_LOST: { code: 65, scope: 'lane', text: 'the lane broke' },
  LANE_REMOVED: { code: 66, scope: 'lane', text: 'the lane was removed' },
} as const satisfies Record<
  string,
  { code: number; scope: 'channel' | 'lane' | 'session'; text: string }
>;

export type ReasonName = keyof typeof Reason;

const names = new Map<number, ReasonName>(
  (Object.keys(Reason) as ReasonName[]).map((name) => [Reason[name].code, name]),
);

/** The name of a code from the wire; codes of later versions count as a plain reset. */
export function reasonName(code: number): ReasonName {
  return names.get(code) ?? 'RESET';
}

/** The peer broke the protocol: thrown inside the session, never out of it. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
  readonly reason: ReasonName;

  constructor(reason: ReasonName, detail: string) {
    super(`${Reason[reason].text}: ${detail}`);
    this.reason = reason;
  }
}
