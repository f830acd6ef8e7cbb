/**
 * From what the server sends to what is drawn: discs that do not overlap. Neighbours that touch on the screen are
 * merged; totals stay exact. Pure.
 */
import type { Counts, Incident, LngLat, MapItem } from '../feed/protocol';
import { cellOf, fromWorldPx, toWorldPx } from './mercator';

export interface Bubble {
  /** Of its heaviest member, so that a bubble keeps its id while it grows. */
  readonly id: string;
  readonly at: LngLat;
  readonly r_px: number;
  readonly count: number;
  readonly byCategory: Counts;
  readonly overdue: number;
  /** Set when the bubble is one incident. */
  readonly incident: Incident | null;
  readonly members: readonly MapItem[];
}

interface Disc {
  id: string;
  /** Of the heaviest member; decides whose id the merged bubble has. */
  weight: number;
  x: number;
  y: number;
  r: number;
  count: number;
  members: MapItem[];
}

export const INCIDENT_R_PX = 15;
const BUBBLE_R_PX_MIN = 14;
const BUBBLE_R_PX_MAX = 28;
const GAP_PX = 2;

/** Area in proportion to the square root of the count, within what can be read and what leaves the map visible. */
export function bubbleRadius_px(count: number): number {
  return Math.min(BUBBLE_R_PX_MAX, Math.max(BUBBLE_R_PX_MIN, 11 * count ** 0.25));
}

/**
 * `scale` is 1 at a desk, more on a wall. With what was drawn `before` at the same zoom, what was one stays one and
 * what stood apart stays apart while there is room for it: bubbles must not regroup to and fro with every report.
 */
export function toBubbles(items: Iterable<MapItem>, zoom: number, scale: number, before: readonly Bubble[] = []): Bubble[] {
  const discs = [...items].map((item) => toDisc(item, zoom, scale));
  const kept = grouped(discs, before).flatMap((group) => settled(group, 2 * GAP_PX, scale));
  return settled(kept, before.length > 0 ? 0 : GAP_PX, scale).map((disc) => toBubble(disc, zoom));
}

/** By the bubble that each was part of; what was in none is a group of its own. */
function grouped(discs: readonly Disc[], before: readonly Bubble[]): Disc[][] {
  const bubbleOf = new Map(before.flatMap(({ id, members }) => members.map((member) => [member.id, `bubble ${id}`])));
  const groups = new Map<string, Disc[]>();
  for (const disc of discs) {
    const key = bubbleOf.get(disc.id) ?? disc.id;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [disc]);
    else group.push(disc);
  }
  return [...groups.values()];
}

function settled(discs: readonly Disc[], gap_px: number, scale: number): Disc[] {
  const placed = new Set<Disc>();
  for (const disc of [...discs].sort(heaviestFirst)) settle(disc, placed, gap_px * scale, scale);
  return [...placed];
}

/** Puts a disc among the others, swallowing every one that it touches, and those that the grown one touches then. */
function settle(disc: Disc, placed: Set<Disc>, gap_px: number, scale: number): void {
  let grown = disc;
  for (;;) {
    const other = touching(grown, placed, gap_px);
    if (other === null) break;
    placed.delete(other);
    grown = merged(grown, other, scale);
  }
  placed.add(grown);
}

function touching(disc: Disc, placed: Set<Disc>, gap_px: number): Disc | null {
  for (const other of placed) {
    const reach_px = disc.r + other.r + gap_px;
    const dx = disc.x - other.x;
    const dy = disc.y - other.y;
    if (dx * dx + dy * dy < reach_px * reach_px) return other;
  }
  return null;
}

function merged(a: Disc, b: Disc, scale: number): Disc {
  const count = a.count + b.count;
  const [first] = [a, b].sort(heaviestFirst) as [Disc, Disc];
  return {
    id: first.id,
    weight: first.weight,
    x: (a.x * a.count + b.x * b.count) / count,
    y: (a.y * a.count + b.y * b.count) / count,
    r: bubbleRadius_px(count) * scale,
    count,
    members: [...a.members, ...b.members],
  };
}

function heaviestFirst(a: Disc, b: Disc): number {
  return b.weight - a.weight || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function toDisc(item: MapItem, zoom: number, scale: number): Disc {
  const count = countOf(item);
  const r_px = item.kind === 'incident' ? INCIDENT_R_PX : bubbleRadius_px(count);
  return { id: item.id, weight: count, ...toWorldPx(item.at, zoom), r: r_px * scale, count, members: [item] };
}

function toBubble(disc: Disc, zoom: number): Bubble {
  const [only] = disc.members;
  const byCategory: Record<string, number> = {};
  let overdue = 0;
  for (const member of disc.members) {
    overdue += member.kind === 'cluster' ? member.overdue : Number(member.overdue);
    for (const [key, n] of Object.entries(categoriesOf(member))) byCategory[key] = (byCategory[key] ?? 0) + n;
  }
  return {
    id: disc.id,
    at: disc.members.length === 1 && only ? only.at : fromWorldPx(disc, zoom),
    r_px: disc.r,
    count: disc.count,
    byCategory,
    overdue,
    incident: disc.members.length === 1 && only?.kind === 'incident' ? only : null,
    members: disc.members,
  };
}

/** The bubble that something at this very place is part of. */
export function bubbleOf(bubbles: Iterable<Bubble>, [lng, lat]: LngLat): Bubble | undefined {
  return [...bubbles].find(({ members }) => members.some(({ at }) => at[0] === lng && at[1] === lat));
}

/** The bubble that shows an incident: itself, or as part of the cluster of its cell. `level` is the cells' level. */
export function bubbleWith(bubbles: Iterable<Bubble>, incident: Incident, level: number): Bubble | undefined {
  const cell = `c:${cellOf(incident.at, level)}`;
  const all = [...bubbles];
  return all.find(({ members }) => members.some(({ id }) => id === incident.id)) ?? all.find(({ members }) => members.some(({ id }) => id === cell));
}

export function countOf(item: MapItem): number {
  return item.kind === 'cluster' ? item.count : 1;
}

function categoriesOf(item: MapItem): Counts {
  return item.kind === 'cluster' ? item.byCategory : { [item.category]: 1 };
}
