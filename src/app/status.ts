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
  /** What is in use now. */
  usedBytes: number;
  /** Read buffers in use; most of what is held lies in them. */
  readBufferBytes: number;
  /** Held for sending and re-sending. */
  sendBytes: number;
  /** Received, and waiting for a hole to be filled or for their reader. */
  receiveBytes: number;
  /** Reserved for what peers may have under way. */
  sessionWindowBytes: number;
}

export interface ProxyStatus extends ProcessStatus {
  role: 'entry' | 'exit';
  sessions: SessionStatus[];
  /** Of a proxy that has several; what did not answer is missing in the rest. */
  workers?: WorkerStatus[];
}

export interface WorkerStatus {
  number: number;
  pid: number | null;
  /** `silent`: it did not answer in time. `down`: another is about to take its place. */
  state: 'up' | 'silent' | 'down';
}

export interface SessionStatus {
  /** The number of the worker that has it, where there are several. */
  worker?: number;
  id: string;
  peer: string;
  encrypted: boolean;
  lanes: LaneStatus[];
  channels: { active: number; opened: number; refused: number; reset: number };
  sentBytes: number;
  receivedBytes: number;
  /** Of them, bytes of applications. */
  sentPayloadBytes: number;
  receivedPayloadBytes: number;
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
