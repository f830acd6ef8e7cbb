/** What is asked of the audit, as the page's address has it: by the names of the API. Pure. */
import type { Query } from '../feed/http';
import type { Lang } from '../feed/protocol';

export interface Question {
  /** Who did it, or the account that it was done to; empty: anybody. */
  readonly actor: string;
  /** Empty: anything. */
  readonly action: string;
  /** A UUID; empty: any incident, and what is about none. */
  readonly incident: string;
  readonly sinceMs: number | null;
  /** What was done before then. */
  readonly untilMs: number | null;
}

export const EVERYTHING: Question = { actor: '', action: '', incident: '', sinceMs: null, untilMs: null };

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;

/** The incident that a text names: a UUID by itself, or in an address of the console that somebody copied. */
export function incidentIn(text: string): string | null {
  return UUID.exec(text)?.[0].toLowerCase() ?? null;
}

export function readQuestion(query: URLSearchParams): Question {
  const text = (key: string): string => query.get(key)?.trim() ?? '';
  const ms = (key: string): number | null => {
    const at = Date.parse(text(key));
    return Number.isNaN(at) ? null : at;
  };
  return { actor: text('actor'), action: text('action'), incident: incidentIn(text('incident')) ?? '', sinceMs: ms('since'), untilMs: ms('until') };
}

/** As the API takes it. */
export function paramsOf({ actor, action, incident, sinceMs, untilMs }: Question): Query {
  const time = (ms: number | null): string | undefined => (ms === null ? undefined : new Date(ms).toISOString());
  return { since: time(sinceMs), until: time(untilMs), actor, action, incident };
}

/** The page's query with this question in the place of the one before; what else it says stays. */
export function writeQuestion(query: URLSearchParams, question: Question): string {
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(paramsOf(question))) {
    if (value === undefined || value === '') next.delete(key);
    else next.set(key, String(value));
  }
  return next.toString().replaceAll('%3A', ':');
}

/** Where the audit is read, of one incident or of all. */
export function auditAddress(incident: string | null, lang: Lang): string {
  const query = new URLSearchParams();
  if (incident !== null) query.set('incident', incident);
  if (lang !== 'id') query.set('lang', lang);
  return query.size === 0 ? '/audit' : `/audit?${query}`;
}

export function isEverything(question: Question): boolean {
  return Object.values(paramsOf(question)).every((value) => value === undefined || value === '');
}
