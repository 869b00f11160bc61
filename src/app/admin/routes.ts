import type { Readiness } from '../service.ts';
import type { Status } from '../status.ts';
import { failure, ok, type Reply } from './reply.ts';

/** What the server tells of, and acts on. */
export interface AdminSubject {
  status(): Status | Promise<Status>;
  readiness(): Readiness | Promise<Readiness>;
  /** Only an entry has lanes of its own. */
  readonly lanes?: LaneControl;
}

export interface LaneControl {
  add(): Promise<{ id: number }>;
  /** @throws for an unknown id */
  drain(id: number): void | Promise<void>;
  /** @throws for an unknown id */
  remove(id: number): void | Promise<void>;
}

/** No GET changes anything. */
export async function answer(method: string, path: string, subject: AdminSubject): Promise<Reply> {
  const here = routes.filter((route) => route.path.test(path));
  if (here.length === 0) return failure(404, `there is no ${path}`);
  // Node sends the reply to a HEAD without its body.
  const route = here.find((route) => route.method === (method === 'HEAD' ? 'GET' : method));
  if (route !== undefined) return route.answer(subject, path);
  const allow = here.map((route) => (route.method === 'GET' ? 'GET, HEAD' : route.method));
  return failure(405, `${path} takes ${allow.join(', ')}`, { allow: allow.join(', ') });
}

interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  answer(subject: AdminSubject, path: string): Reply | Promise<Reply>;
}

const routes: readonly Route[] = [
  { method: 'GET', path: /^\/healthz$/, answer: () => ok({ alive: true }) },
  { method: 'GET', path: /^\/readyz$/, answer: readyz },
  {
    method: 'GET',
    path: /^\/api\/v1\/status$/,
    answer: async (subject) => ok(await subject.status()),
  },
  { method: 'POST', path: /^\/api\/v1\/lanes\/add$/, answer: addLane },
  { method: 'POST', path: /^\/api\/v1\/lanes\/\d{1,9}\/(drain|remove)$/, answer: endLane },
];

async function readyz(subject: AdminSubject): Promise<Reply> {
  const readiness = await subject.readiness();
  return { status: readiness.ready ? 200 : 503, body: readiness };
}

async function addLane({ lanes }: AdminSubject): Promise<Reply> {
  if (lanes === undefined) return noLanes;
  try {
    return ok(await lanes.add());
  } catch (error) {
    return failure(409, messageOf(error));
  }
}

async function endLane({ lanes }: AdminSubject, path: string): Promise<Reply> {
  if (lanes === undefined) return noLanes;
  const [id, verb] = path.split('/').slice(-2);
  try {
    if (verb === 'drain') await lanes.drain(Number(id));
    else await lanes.remove(Number(id));
    return ok({ id: Number(id) });
  } catch (error) {
    return failure(409, messageOf(error));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const noLanes = failure(409, 'lanes are the business of an entry; this process is none');
