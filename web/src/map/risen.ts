/** Where something new came in between two states of one view: the places that pulse. Pure. */
import type { Incident, LngLat, MapItem } from '../feed/protocol';
import { countOf } from './bubbles';
import { cellOf } from './mercator';

/**
 * Compares counts cell by cell: an incident that became part of a cluster is not new, the one that joined it is.
 * `level` is the cells' level in force.
 */
export function risen(
  before: ReadonlyMap<string, MapItem>,
  after: ReadonlyMap<string, MapItem>,
  level: number,
): LngLat[] {
  if (before === after) return [];
  const rise = new Map<string, { by: number; at: LngLat }>();
  const add = (item: MapItem, sign: 1 | -1): void => {
    const cell = cellOfItem(item, level);
    const held = rise.get(cell);
    const by = (held?.by ?? 0) + sign * countOf(item);
    rise.set(cell, { by, at: sign === 1 ? item.at : (held?.at ?? item.at) });
  };
  for (const [id, item] of before) if (after.get(id) !== item) add(item, -1);
  for (const [id, item] of after) if (before.get(id) !== item) add(item, 1);
  return [...rise.values()].filter(({ by }) => by > 0).map(({ at }) => at);
}

/** Whether an incident that is not named any more is in sight still: others came into its cell, which is a cluster now. */
export function hasJoined(incident: Incident, after: ReadonlyMap<string, MapItem>, level: number): boolean {
  return after.has(`c:${cellOf(incident.at, level)}`);
}

function cellOfItem(item: MapItem, level: number): string {
  return item.kind === 'cluster' && item.id.startsWith('c:') ? item.id.slice(2) : cellOf(item.at, level);
}
