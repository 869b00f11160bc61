/** What `GET /api/v1/status` and `tcp-striper status --json` answer. Numbers are bytes, ms or counts. */
export type Status = ProxyStatus | RelayStatus;

interface ProcessStatus {
  version: string;
  uptimeSeconds: number;
  /** Bound addresses, as `HOST:PORT` or `unix:/path`. */
  listen: string[];
  memory: MemoryStatus;
}

export interface MemoryStatus {
  /** The bound set by `--memory`. */
  budgetBytes: number;
  /** Of it: receive windows granted, bytes held for re-sending, and read buffers in use. */
  usedBytes: number;
}

export interface ProxyStatus extends ProcessStatus {
  role: 'entry' | 'exit';
  sessions: SessionStatus[];
}

export interface SessionStatus {
  id: string;
  peer: string;
  encrypted: boolean;
  lanes: LaneStatus[];
  channels: { active: number; opened: number; refused: number; reset: number };
  sentBytes: number;
  receivedBytes: number;
  resentBytes: number;
  duplicateBytes: number;
  reorderBytes: number;
}

export interface LaneStatus {
  id: number;
  state: 'connecting' | 'up' | 'suspect' | 'stalled' | 'draining' | 'down';
  sentBytes: number;
  receivedBytes: number;
  rttMs: number;
  inFlightBytes: number;
  capBytes: number;
  rateBytesPerSecond: number;
}

export interface RelayStatus extends ProcessStatus {
  role: 'relay';
  connections: { active: number; opened: number; refused: number; reset: number };
  bridges: BridgeStatus[];
}

/** The two legs of one relayed connection. */
export interface BridgeStatus {
  id: number;
  peer: string;
  target: string;
  near: LegStatus;
  far: LegStatus;
}

export interface LegStatus {
  /** Bytes read from this leg. */
  receivedBytes: number;
  /** Bytes written to this leg. */
  sentBytes: number;
  /** How often writing to this leg was congested. */
  congestions: number;
}
