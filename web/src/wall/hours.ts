/** The last 24 hours by hour and category, from the incidents that the page has met. Pure. */
import type { Incident } from '../feed/protocol';

const HOUR_MS = 3_600_000;
export const HOURS = 24;

export interface Opened {
  readonly category: string;
  readonly openedAtMs: number;
}

export interface Hour {
  readonly startMs: number;
  readonly total: number;
  readonly byCategory: Readonly<Record<string, number>>;
}

/** By incident id. What was opened before the window is let go. */
export type Known = ReadonlyMap<string, Opened>;

export function learn(known: Known, incidents: readonly Incident[], nowMs: number): Known {
  const oldest = firstHour(nowMs);
  const next = new Map([...known].filter(([, one]) => one.openedAtMs >= oldest));
  for (const { id, category, openedAtMs, status } of incidents) {
    if (status === 'rejected') next.delete(id);
    else if (openedAtMs >= oldest) next.set(id, { category, openedAtMs });
  }
  return next;
}

export function toHours(known: Known, nowMs: number): Hour[] {
  const first = firstHour(nowMs);
  const counts = Array.from({ length: HOURS }, (): Record<string, number> => ({}));
  for (const { category, openedAtMs } of known.values()) {
    const bucket = counts[Math.floor((openedAtMs - first) / HOUR_MS)];
    if (bucket) bucket[category] = (bucket[category] ?? 0) + 1;
  }
  return counts.map((byCategory, n) => ({
    startMs: first + n * HOUR_MS,
    total: Object.values(byCategory).reduce((sum, count) => sum + count, 0),
    byCategory,
  }));
}

/** The strip ends with the hour that is running. */
export function firstHour(nowMs: number): number {
  return Math.floor(nowMs / HOUR_MS) * HOUR_MS - (HOURS - 1) * HOUR_MS;
}
