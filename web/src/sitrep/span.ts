/** The time that a situation report is about. Pure. */

const HOUR_MS = 3_600_000;
export const HOURS = [6, 12, 24] as const;

export interface Span {
  /** Null: since the last handover. */
  readonly sinceMs: number | null;
  /** Null: until now. */
  readonly untilMs: number | null;
}

/** What the address asks for; what it does not say, the server does. */
export function readSpan(query: URLSearchParams): Span {
  const time = (key: string): number | null => {
    const ms = Date.parse(query.get(key) ?? '');
    return Number.isNaN(ms) ? null : ms;
  };
  return { sinceMs: time('since'), untilMs: time('until') };
}

export function writeSpan(query: URLSearchParams, { sinceMs, untilMs }: Span): string {
  const next = new URLSearchParams(query);
  const set = (key: string, ms: number | null): void => (ms === null ? next.delete(key) : next.set(key, stamp(ms)));
  set('since', sinceMs);
  set('until', untilMs);
  return next.toString().replaceAll('%3A', ':');
}

export function lastHours(hours: number, nowMs: number): Span {
  return { sinceMs: nowMs - hours * HOUR_MS, untilMs: null };
}

/** To the second: what is printed and what is asked for are one moment. */
export function stamp(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}
