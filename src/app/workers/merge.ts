import type { Readiness } from '../service.ts';
import type { MemoryStatus, ProxyStatus, WorkerStatus } from '../status.ts';

/** What one worker said of itself; null if it did not answer. */
export interface Said<T> {
  readonly number: number;
  readonly pid: number | null;
  readonly answer: T | null;
}

/** The status of a proxy, from those of its workers. */
export function mergedStatus(
  own: Pick<ProxyStatus, 'role' | 'version' | 'uptimeSeconds' | 'listen'>,
  /** Bytes. */
  memory: number,
  said: readonly Said<ProxyStatus>[],
): ProxyStatus {
  return {
    ...own,
    memory: said.reduce((sum, { answer }) => plus(sum, answer?.memory), {
      ...noMemory,
      budgetBytes: memory,
    }),
    sessions: said.flatMap(({ number, answer }) =>
      (answer?.sessions ?? []).map((session) => ({ ...session, worker: number })),
    ),
    workers: said.map(
      ({ number, pid, answer }): WorkerStatus => ({
        number,
        pid,
        state: answer !== null ? 'up' : pid === null ? 'down' : 'silent',
      }),
    ),
  };
}

/**
 * An entry deals its connections to all of its workers, so each that is there must be ready. An exit is
 * where lanes come to, so one is enough.
 */
export function mergedReadiness(
  role: ProxyStatus['role'],
  said: readonly Said<Readiness>[],
): Readiness {
  const answers = said.flatMap(({ answer }) => (answer === null ? [] : [answer]));
  const unready = answers.find((answer) => !answer.ready);
  if (role === 'exit' && answers.some(({ ready }) => ready)) return { ready: true };
  if (unready !== undefined) return unready;
  return answers.length > 0 ? { ready: true } : { ready: false, reason: 'no worker answers' };
}

function plus(one: MemoryStatus, other: MemoryStatus = noMemory): MemoryStatus {
  return {
    budgetBytes: one.budgetBytes,
    usedBytes: one.usedBytes + other.usedBytes,
    readBufferBytes: one.readBufferBytes + other.readBufferBytes,
    sendBytes: one.sendBytes + other.sendBytes,
    receiveBytes: one.receiveBytes + other.receiveBytes,
    sessionWindowBytes: one.sessionWindowBytes + other.sessionWindowBytes,
  };
}

const noMemory: MemoryStatus = {
  budgetBytes: 0,
  usedBytes: 0,
  readBufferBytes: 0,
  sendBytes: 0,
  receiveBytes: 0,
  sessionWindowBytes: 0,
};
