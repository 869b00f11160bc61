import type { Lane } from '../protocol/lane.ts';
import type { Session } from '../protocol/session.ts';
import type { LaneStatus, SessionStatus } from './status.ts';

export interface SessionLabel {
  readonly id: string;
  readonly peer: string;
  readonly encrypted: boolean;
}

export function sessionStatus(session: Session, label: SessionLabel): SessionStatus {
  const { channels, delivery, transmitter } = session;
  return {
    ...label,
    lanes: session.lanes.map(laneStatus),
    channels: {
      active: channels.active,
      opened: channels.opened,
      refused: channels.refused,
      reset: channels.reset,
    },
    sentBytes: session.sentBytes,
    receivedBytes: session.receivedBytes,
    sentPayloadBytes: transmitter.payloadBytes,
    receivedPayloadBytes: delivery.payloadBytes,
    resentBytes: transmitter.resentBytes,
    duplicateBytes: delivery.duplicateBytes,
    reorderBytes: delivery.heldBytes,
  };
}

function laneStatus(lane: Lane): LaneStatus {
  return {
    id: lane.id,
    state: stateOf(lane),
    sentBytes: lane.sentBytes,
    receivedBytes: lane.receivedBytes,
    rttMs: round(lane.path.srtt),
    inFlightBytes: lane.inFlight,
    capBytes: Math.round(lane.path.cap),
    rateBytesPerSecond: Math.round(lane.path.rate * 1_000),
  };
}

function stateOf(lane: Lane): LaneStatus['state'] {
  if (lane.health !== 'good') return lane.health;
  return lane.isDraining ? 'draining' : 'up';
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
