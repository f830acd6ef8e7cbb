/** The spans of time that the page offers, as days of the city. Pure. */
import { fieldOf, instantOf } from '../paper/zoned';
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

/** When the first month of the city begins that lies in the period as a whole; null: one begins with it. */
export function wholeMonthsFrom({ since }: Period, timeZone: string): number | null {
  if (since === undefined) return null;
  const [year = 0, month = 0, day] = fieldOf(Date.parse(since), timeZone).split(/[-T]/).map(Number);
  if (day === 1) return null;
  const next = new Date(Date.UTC(year, month, 1)).toISOString().slice(0, 16);
  return instantOf(next, timeZone);
}
