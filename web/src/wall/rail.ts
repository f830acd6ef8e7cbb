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
  /** The names of hotspots have lines of their own. */
  readonly tall: boolean;
}

interface There {
  readonly hotspots: number;
  readonly newest: number;
  readonly overdue: number;
}

export const ROWS_MAX = 7;
const HEADING = 1.3;
const HOTSPOT = 2.5;
const TALL_HOTSPOT = 3.9;
const WHY = 2;
const ROW = 1.15;

/** `lines` that fit; how many of each there are to show. In large type a name needs a line of its own, where there is room for one. */
export function planRail(lines: number, there: There, far = false): RailPlan {
  const tall = plan(lines, there, TALL_HOTSPOT);
  if (far && (tall.hotspots > 0 || there.hotspots === 0)) return { ...tall, tall: true };
  return { ...plan(lines, there, HOTSPOT), tall: false };
}

function plan(lines: number, there: There, hotspot: number): Omit<RailPlan, 'tall'> {
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
  const kept = there.hotspots > 0 && left - wanted * ROW < hotspot ? 0 : wanted;
  left -= kept * ROW;
  const firstWhy = there.hotspots > 0 && kept === wanted && left >= hotspot + WHY ? 1 : 0;
  left -= firstWhy * WHY;
  const hotspots = take(Math.min(3, there.hotspots), hotspot, ROWS_MAX - kept - emptyRows);
  left += kept * ROW;
  const rows = ROWS_MAX - hotspots - emptyRows;
  const overdueFirst = Math.min(1, there.overdue);
  const newest = Math.max(0, Math.min(there.newest, rows - overdueFirst, Math.floor((left - overdueFirst * ROW) / ROW), there.hotspots === 0 ? 4 : 3));
  left -= newest * ROW;
  // Nothing under a heading: it is left out, and its room goes to what is late.
  if (newest === 0 && there.newest > 0) left += HEADING;
  const overdue = take(Math.min(there.overdue, 2), ROW, rows - newest);
  const moreWhys = Math.max(0, Math.min(hotspots - firstWhy, Math.floor(left / WHY)));
  return { hotspots, whys: Math.min(hotspots, firstWhy + moreWhys), newest, overdue };
}
