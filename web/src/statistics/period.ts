/** The spans of time that the page offers, as days of the city. Pure. */
import type { Period } from './read';

export const SPANS = ['30', '90', '365', 'all'] as const;
export type Span = (typeof SPANS)[number];

export function readSpan(query: URLSearchParams): Span {
  return SPANS.find((span) => span === query.get('days')) ?? '365';
}

/** From the beginning of the city's day so many days ago until now, as an instant of that zone's midnight. */
export function periodOf(span: Span, nowMs: number, timeZone: string): Period {
  if (span === 'all') return {};
  return { since: new Date(midnight(nowMs - Number(span) * 86_400_000, timeZone)).toISOString() };
}

/** The beginning of the city's day that `ms` lies in. */
export function midnight(ms: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).formatToParts(ms);
  const of = (type: string): number => Number(parts.find((part) => part.type === type)?.value ?? 0);
  const sinceMidnight_ms = ((of('hour') * 60 + of('minute')) * 60 + of('second')) * 1000 + (ms % 1000);
  return ms - sinceMidnight_ms;
}
