/** The rows of the queue: how a new reading joins what is shown, and how one steps through them. Pure. */
import type { Incident } from '../feed/protocol';

export interface Row {
  readonly incident: Incident;
  /** It left this list by what was done to it; it stays while it is open at the right. */
  readonly left: boolean;
}

/**
 * The rows after a reading. `kept` is the incident that is open: if it left the list, its row stays where it stood, so
 * that nothing moves under the operator's eyes.
 */
export function merge(before: readonly Row[], read: readonly Incident[], kept: Incident | null): readonly Row[] {
  const rows: Row[] = read.map((incident) => ({ incident: kept?.id === incident.id ? newer(kept, incident) : incident, left: false }));
  if (kept === null || rows.some(({ incident }) => incident.id === kept.id)) return rows;
  const place = before.findIndex(({ incident }) => incident.id === kept.id);
  if (place === -1) return rows;
  rows.splice(placeFor(before, place, rows), 0, { incident: kept, left: true });
  return rows;
}

/** Behind the nearest row above it that is still there; else before the nearest one below. */
function placeFor(before: readonly Row[], place: number, rows: readonly Row[]): number {
  const at = (id: string): number => rows.findIndex(({ incident }) => incident.id === id);
  for (let n = place - 1; n >= 0; n--) {
    const above = at(before[n]?.incident.id ?? '');
    if (above !== -1) return above + 1;
  }
  for (let n = place + 1; n < before.length; n++) {
    const below = at(before[n]?.incident.id ?? '');
    if (below !== -1) return below;
  }
  return 0;
}

/** Answers overtake each other: the higher version is the later word. */
export function newer(a: Incident, b: Incident): Incident {
  return (a.version ?? 0) > (b.version ?? 0) ? a : b;
}

/** Another page behind the ones that are shown; what moved between the two readings is not shown twice. */
export function append(rows: readonly Row[], page: readonly Incident[]): readonly Row[] {
  const known = new Set(rows.map(({ incident }) => incident.id));
  return [...rows, ...page.filter(({ id }) => !known.has(id)).map((incident) => ({ incident, left: false }))];
}

/** The row to go to. With nothing open, the first; at an end, it stays. */
export function step(rows: readonly Row[], open: string | null, by: 1 | -1): Incident | null {
  const at = rows.findIndex(({ incident }) => incident.id === open);
  const next = at === -1 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by));
  return rows[next]?.incident ?? null;
}

/** The ids from one row to another, both included; only the second where the first is not shown. */
export function range(rows: readonly Row[], from: string | null, to: string): readonly string[] {
  const ids = rows.map(({ incident }) => incident.id);
  const a = from === null ? -1 : ids.indexOf(from);
  const b = ids.indexOf(to);
  if (a === -1 || b === -1) return [to];
  return ids.slice(Math.min(a, b), Math.max(a, b) + 1);
}

/**
 * Those of a reading that were not there before. `complete`: the rows before were all there are; if not, what stands
 * behind the last known row only came up from below and is not news.
 */
export function entered(before: readonly Row[], read: readonly Incident[], complete: boolean): readonly string[] {
  const known = new Set(before.map(({ incident }) => incident.id));
  const last = read.findLastIndex(({ id }) => known.has(id));
  const looked = complete ? read : read.slice(0, last + 1);
  return looked.filter(({ id }) => !known.has(id)).map(({ id }) => id);
}
