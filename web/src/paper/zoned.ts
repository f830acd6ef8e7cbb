/** Clock times of the city as a field of a form has them, `2026-11-24T14:05`, and the instants that they are. Pure. */

const MINUTE_MS = 60_000;

/** What the city's clocks say then, to the minute. */
export function fieldOf(ms: number, timeZone: string): string {
  return new Date(Math.floor(wallMs(ms, timeZone) / MINUTE_MS) * MINUTE_MS).toISOString().slice(0, 16);
}

/** Null: no time. An hour that a summer time leaves out is the one after it. */
export function instantOf(text: string, timeZone: string): number | null {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text)) return null;
  const wall = Date.parse(`${text.slice(0, 16)}Z`);
  if (Number.isNaN(wall)) return null;
  const near = wall - offsetMs(wall, timeZone);
  return wall - offsetMs(near, timeZone);
}

function offsetMs(ms: number, timeZone: string): number {
  return wallMs(ms, timeZone) - Math.floor(ms / 1_000) * 1_000;
}

/** The instant at which a clock of Greenwich says what the city's says at `ms`. */
function wallMs(ms: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-GB', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).formatToParts(ms);
  const of = (type: string): number => Number(parts.find((part) => part.type === type)?.value ?? 0);
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
}
