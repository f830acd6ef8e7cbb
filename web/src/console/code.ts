/** From a report's code to its incident, as far as the server tells it. */
import { getIncidents, getJson, ProblemError } from '../feed/http';
import { object, oneOf, STATUSES, string, time, type Incident, type Status } from '../feed/protocol';
import { getCase } from './casefile';
import { search } from './search';

export type Found =
  | { readonly kind: 'incident'; readonly incident: Incident }
  /** The report is known, its incident is not told. */
  | { readonly kind: 'known'; readonly code: string; readonly category: string; readonly status: Status; readonly atMs: number }
  | { readonly kind: 'unknown' };

/** More incidents opened in the same millisecond are not looked through. */
const CANDIDATES_MAX = 8;

/** `TTE-7K3M-9QXAC`, in any case, with or without its dashes; null: it is no code. */
export function asCode(text: string): string | null {
  const signs = text.trim().toUpperCase().replace(/[\s-]+/g, '');
  const found = /^([A-Z]{3})([0-9A-Z]{4})([0-9A-Z]{5})$/.exec(signs);
  // Twelve letters in one word may be a word; a code has a digit, or its dashes.
  if (found === null || !(/\d/.test(signs.slice(3)) || /^\S+-\S+-\S+$/.test(text.trim()))) return null;
  return found.slice(1).join('-');
}

export async function findByCode(code: string): Promise<Found> {
  try {
    const hit = (await search(code)).find((one) => one.kind === 'report' && one.code === code && one.incident !== null);
    if (hit?.incident == null) return { kind: 'unknown' };
    return { kind: 'incident', incident: (await getCase(hit.incident)).incident };
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 404) return findWithoutSearch(code);
    throw error;
  }
}

/**
 * Of a server without a search. The answer about a code names no incident. The one that the report opened stands at the same millisecond; one that
 * it joined later cannot be found this way.
 */
async function findWithoutSearch(code: string): Promise<Found> {
  let report: Record<string, unknown>;
  try {
    report = object(await getJson(`/api/v1/reports/${encodeURIComponent(code)}`), 'report');
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 404) return { kind: 'unknown' };
    throw error;
  }
  const [category, atMs] = [string(report.category, 'category'), time(report.received_at, 'received_at')];
  const page = await getIncidents({
    category,
    status: STATUSES.join(','),
    since: new Date(atMs).toISOString(),
    until: new Date(atMs + 1).toISOString(),
    limit: CANDIDATES_MAX,
  });
  for (const { id } of page.incidents) {
    const file = await getCase(id);
    if (file.said.some((one) => one.code === code)) return { kind: 'incident', incident: file.incident };
  }
  return { kind: 'known', code, category, status: oneOf(STATUSES, report.status, 'status'), atMs };
}
