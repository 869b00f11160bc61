import type { BridgeStatus, LaneStatus, SessionStatus, Status } from '../app/status.ts';
import { formatDuration, formatRate, formatSize } from '../core/units.ts';

/** A status for a human: lines without a newline at their end. */
export function renderStatus(status: Status): string {
  const { role, version, uptimeSeconds, listen, memory } = status;
  const head = [
    `${role} ${version}, up ${formatDuration(uptimeSeconds * 1000)}, listening on ${listen.join(', ')}`,
    ...workersLine(status),
    `memory ${formatSize(memory.usedBytes)} of ${formatSize(memory.budgetBytes)}`,
  ];
  const body = status.role === 'relay' ? relayLines(status) : sessionsLines(status.sessions);
  return [...head, ...body].join('\n');
}

function workersLine(status: Status): string[] {
  if (status.role === 'relay' || status.workers === undefined) return [];
  const named = status.workers.map(({ number, pid, state }) =>
    state === 'down' ? `${number} (down)` : `${number} (${state}, pid ${pid})`,
  );
  return [`workers ${named.join(', ')}`];
}

function sessionsLines(sessions: readonly SessionStatus[]): string[] {
  if (sessions.length === 0) return ['', 'no session'];
  return sessions.flatMap(sessionLines);
}

function sessionLines(session: SessionStatus): string[] {
  const { channels, worker } = session;
  const at = worker === undefined ? '' : `, in worker ${worker}`;
  const resentShare = (100 * session.resentBytes) / Math.max(1, session.sentBytes);
  return [
    '',
    `session ${session.id} with ${session.peer}, ${session.encrypted ? 'encrypted' : 'NOT encrypted'}${at}`,
    ...table([laneTitles, ...session.lanes.map(laneRow)]),
    `  channels  ${channels.active} active, ${channels.opened} opened, ${channels.refused} refused, ${channels.reset} reset`,
    `  bytes     ${formatSize(session.sentBytes)} sent, ${formatSize(session.receivedBytes)} received`,
    `  re-sent   ${formatSize(session.resentBytes)} (${resentShare.toFixed(2)} %); duplicates received ${formatSize(session.duplicateBytes)}; waiting for order ${formatSize(session.reorderBytes)}`,
  ];
}

const laneTitles = ['lane', 'state', 'rate', 'rtt', 'in flight', 'cap', 'sent', 'received'];

function laneRow(lane: LaneStatus): string[] {
  return [
    String(lane.id),
    lane.state,
    formatRate(lane.rateBytesPerSecond),
    `${lane.rttMs.toFixed(1)} ms`,
    formatSize(lane.inFlightBytes),
    formatSize(lane.capBytes),
    formatSize(lane.sentBytes),
    formatSize(lane.receivedBytes),
  ];
}

function relayLines({ connections, bridges }: Extract<Status, { role: 'relay' }>): string[] {
  const { active, opened, refused, reset } = connections;
  const shown = bridges.slice(0, MOST_BRIDGES);
  const hidden = active - shown.length;
  return [
    `connections ${active} active, ${opened} opened, ${refused} refused, ${reset} reset`,
    ...(shown.length === 0 ? [] : ['', ...table([bridgeTitles, ...shown.map(bridgeRow)])]),
    ...(hidden > 0 ? [`  and ${hidden} more`] : []),
  ];
}

const bridgeTitles = ['id', 'peer', 'target', 'there', 'back', 'congested there', 'congested back'];

function bridgeRow({ id, peer, target, near, far }: BridgeStatus): string[] {
  return [
    String(id),
    peer,
    target,
    formatSize(far.sentBytes),
    formatSize(near.sentBytes),
    String(far.congestions),
    String(near.congestions),
  ];
}

/** Columns of the width of their longest cell; what is a number or a size stands to the right. */
function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isNumeric = rows[0]!.map((_, column) =>
    rows.slice(1).every((row) => /^\d/.test(row[column]!) && !/:/.test(row[column]!)),
  );
  return rows.map((row) => {
    const cells = row.map((cell, column) =>
      isNumeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
    );
    return `  ${cells.join('  ')}`.trimEnd();
  });
}

/** A human reads no more of them. */
const MOST_BRIDGES = 20;
