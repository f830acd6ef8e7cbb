/**
 * What the rail has room for. A wall is not a table: at most seven rows, and none cut in half. Pure; heights are in
 * lines of the smallest text.
 */
export interface RailPlan {
  readonly hotspots: number;
  /** How many of the hotspots, from the first, also say why they are there. */
  readonly whys: number;
  readonly newest: number;
  readonly overdue: number;
}

export const ROWS_MAX = 7;
const HEADING = 1.3;
const HOTSPOT = 2.5;
const WHY = 2;
const ROW = 1.15;

/** `lines` that fit; how many of each there are to show. */
export function planRail(lines: number, there: { hotspots: number; newest: number; overdue: number }): RailPlan {
  // Hotspots and newest have their heading always: when empty, one row says so. Overdue has one when there is any.
  let left = lines - (there.overdue > 0 ? 3 : 2) * HEADING;
  const take = (wanted: number, height: number, rowsLeft: number): number => {
    const n = Math.max(0, Math.min(wanted, rowsLeft, Math.floor(left / height)));
    left -= n * height;
    return n;
  };
  const emptyRows = Number(there.hotspots === 0) + Number(there.newest === 0);
  left -= emptyRows * ROW;
  // One newest and one overdue incident keep their place before the next hotspot takes it, but not before the first.
  const wanted = Math.min(1, there.newest) + Math.min(1, there.overdue);
  const kept = there.hotspots > 0 && left - wanted * ROW < HOTSPOT ? 0 : wanted;
  left -= kept * ROW;
  const firstWhy = there.hotspots > 0 && kept === wanted && left >= HOTSPOT + WHY ? 1 : 0;
  left -= firstWhy * WHY;
  const hotspots = take(Math.min(3, there.hotspots), HOTSPOT, ROWS_MAX - kept - emptyRows);
  left += kept * ROW;
  const rows = ROWS_MAX - hotspots - emptyRows;
  const overdueFirst = Math.min(1, there.overdue);
  const newest = Math.max(0, Math.min(there.newest, rows - overdueFirst, Math.floor((left - overdueFirst * ROW) / ROW), there.hotspots === 0 ? 4 : 3));
  left -= newest * ROW;
  const overdue = take(Math.min(there.overdue, 2), ROW, rows - newest);
  const moreWhys = Math.max(0, Math.min(hotspots - firstWhy, Math.floor(left / WHY)));
  return { hotspots, whys: Math.min(hotspots, firstWhy + moreWhys), newest, overdue };
}
