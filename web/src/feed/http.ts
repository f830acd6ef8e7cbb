/** The few GET and POST calls of the pages. Same host only; an answer is decoded where it arrives. */
import { decodeItem, decodeProblem, decodeStats, list, number, object, type Incident, type Problem, type Stats } from './protocol';

export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title || `status ${problem.status}`);
  }
}

export type Query = Readonly<Record<string, string | number | undefined>>;

/** `?projection=public` on a page lowers all that the page asks, as it does on any address; nothing raises it. */
export function pageProjection(search: string = globalThis.location?.search ?? ''): 'public' | null {
  return new URLSearchParams(search).get('projection') === 'public' ? 'public' : null;
}

export function address(path: string, query: Query = {}, lowered: 'public' | null = pageProjection()): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined && value !== '') params.set(key, String(value));
  if (lowered !== null) params.set('projection', lowered);
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}

export async function getJson(path: string, query: Query = {}): Promise<unknown> {
  return answered(await fetch(address(path, query), { headers: { accept: 'application/json' } }));
}

/** `leaving`: the browser sends it even if the page goes away meanwhile. */
export async function postJson(path: string, body: unknown, leaving = false): Promise<unknown> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  return answered(await fetch(path, leaving ? { ...init, keepalive: true } : init));
}

async function answered(response: Response): Promise<unknown> {
  const json: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new ProblemError({ ...decodeProblem(json), status: response.status });
  return json;
}

export interface IncidentPage {
  readonly incidents: readonly Incident[];
  /** On all pages; of a list by words or time that has more than 10,000, those of this page. */
  readonly matched: number;
  readonly seq: number;
  readonly next: string | null;
}

export async function getIncidents(query: Query): Promise<IncidentPage> {
  const o = object(await getJson('/api/v1/incidents', query), 'incidents');
  const incidents = list(o.features, 'features')
    .map(decodeItem)
    .filter((item): item is Incident => item.kind === 'incident');
  return {
    incidents,
    matched: number(o.numberMatched ?? incidents.length, 'numberMatched'),
    seq: number(o.seq ?? 0, 'seq'),
    next: typeof o.next === 'string' ? cursorOf(o.next) : null,
  };
}

/** `next` is a cursor, or an address that has one. */
function cursorOf(next: string): string | null {
  return /^(https?:|\/|\?)/.test(next) ? new URL(next, 'http://localhost').searchParams.get('cursor') : next;
}

export async function getStats(query: Query): Promise<Stats> {
  return decodeStats(await getJson('/api/v1/stats', query));
}
