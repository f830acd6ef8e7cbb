/** Days of the city, by their dates. Pure. */
import { midnight } from '../statistics/period';

const HOUR_MS = 3_600_000;

/** `2026-11-24` in the city. */
export function dayOf(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(ms);
}

/** From midnight to midnight, but not beyond now; null: no date, or one that has not begun. */
export function spanOfDay(text: string, nowMs: number, timeZone: string): { readonly fromMs: number; readonly toMs: number } | null {
  const noon = Date.parse(`${text}T12:00:00Z`);
  if (Number.isNaN(noon)) return null;
  // Noon of that date in Greenwich lies within a day of the city's; step to the one that has its name.
  let fromMs = midnight(noon, timeZone);
  if (dayOf(fromMs, timeZone) < text) fromMs = midnight(fromMs + 36 * HOUR_MS, timeZone);
  if (dayOf(fromMs, timeZone) > text) fromMs = midnight(fromMs - 12 * HOUR_MS, timeZone);
  const toMs = Math.min(nowMs, midnight(fromMs + 36 * HOUR_MS, timeZone));
  return toMs <= fromMs ? null : { fromMs, toMs };
}
