/** The center's search: reports by their codes, incidents by words, places; and, with a reason, whoever called. */
import { getJson, postJson } from '../feed/http';
import { list, localized, number, object, STATUSES, time, type LngLat, type Localized, type Status } from '../feed/protocol';

export const HIT_KINDS = ['report', 'incident', 'area', 'phone'] as const;
export type HitKind = (typeof HIT_KINDS)[number];

/** One thing that was found. */
export interface Hit {
  readonly kind: HitKind;
  /** The feature's id of the incident that it leads to. */
  readonly incident: string | null;
  /** Of a village or district. */
  readonly area: string | null;
  /** Of a report. */
  readonly code: string | null;
  readonly at: LngLat;
  readonly title: Localized;
  readonly status: Status | null;
  /** Of its incident. */
  readonly openedAtMs: number | null;
  /** Why it was found, in words. */
  readonly why: Localized;
}

const HITS_MAX = 20;
/** Fewer digits are no telephone number. */
const DIGITS_MIN = 8;

/** The best first. A number of a telephone is never asked for here: it would stand in an address. */
export async function search(q: string): Promise<readonly Hit[]> {
  return decodeHits(await getJson('/api/v1/search', { q, limit: HITS_MAX }));
}

/** Written down by the server, with the reason. */
export async function searchPhone(phone: string, reason: string): Promise<readonly Hit[]> {
  return decodeHits(await postJson('/api/v1/search/phone', { phone, reason }));
}

/** Kinds of a newer server are passed over. */
export function decodeHits(value: unknown): readonly Hit[] {
  const text = (one: unknown): string | null => (typeof one === 'string' && one !== '' ? one : null);
  return list(object(value, 'search').results, 'results').flatMap((one) => {
    const o = object(one, 'result');
    const kind = HIT_KINDS.find((known) => known === o.kind);
    if (kind === undefined) return [];
    const incident = text(o.incident);
    return [
      {
        kind,
        incident: incident === null ? null : `i:${incident.replace(/^i:/, '')}`,
        area: text(o.area),
        code: text(o.code),
        at: [number(o.lng, 'lng'), number(o.lat, 'lat')] as const,
        title: localized(o.title, 'title'),
        status: STATUSES.find((status) => status === o.status) ?? null,
        openedAtMs: o.at == null ? null : time(o.at, 'at'),
        why: localized(o.why, 'why'),
      },
    ];
  });
}

/**
 * The telephone number that stands in what was typed, however its digits are grouped, as the server knows one; null:
 * there is none, and the text may stand in an address.
 */
export function asPhone(text: string): string | null {
  for (const [group] of text.matchAll(/\+?[\d\s+().\/-]+/g)) {
    const digits = group.replace(/\D/g, '');
    if (digits.length >= DIGITS_MIN) return group.trim().startsWith('+') ? `+${digits}` : digits;
  }
  return null;
}

export function hitKey(hit: Hit): string {
  return `hit-${hit.kind}-${(hit.code ?? hit.incident ?? hit.area ?? hit.at.join('_')).replace(/[^\w-]/g, '_')}`;
}

/** Each incident once, and no place that is named already. */
export function withoutDoubles(hits: readonly Hit[], areas: ReadonlySet<string>): readonly Hit[] {
  const seen = new Set<string>();
  return hits.filter((hit) => {
    if (hit.kind === 'area') return hit.area !== null && !areas.has(hit.area);
    if (hit.incident === null || seen.has(hit.incident)) return false;
    seen.add(hit.incident);
    return true;
  });
}
