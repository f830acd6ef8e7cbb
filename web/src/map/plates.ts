/**
 * Where the label plates of hotspots stand: outside their own shape, inside the frame, never on one another, and never
 * on the number of a bubble: labels give way to data. What finds no place whole is offered in a smaller size, then left
 * out. Pure; screen pixels.
 */
import { centreOf, cuts, distance, grown, nearest, overlap, touches, type Box, type Disc, type Point, type Segment } from './boxes';

export interface Size {
  readonly w: number;
  readonly h: number;
}

export interface PlateRequest {
  readonly id: string;
  /** The hotspot's outline on the screen. */
  readonly shape: Box;
  /** The one to prefer first; each further one says less. */
  readonly sizes: readonly Size[];
}

export interface PlacedPlate {
  readonly id: string;
  readonly box: Box;
  /** Which of the request's sizes. */
  readonly size: number;
  /** From the shape's edge to the plate's edge; null where the plate stands right beside its shape. */
  readonly leader: Segment | null;
  /** Which of the candidate places was taken: offer it again, and the plate stays where it is. */
  readonly slot: string;
}

export interface Surface {
  readonly frame: Box;
  /** Panels that lie over the map. */
  readonly blocked: readonly Box[];
  readonly bubbles: readonly Disc[];
  /** Left free round each bubble, also for the tick of what is overdue. */
  readonly gap: number;
}

const DIRECTIONS: readonly (readonly [string, number, number])[] = [
  ['e', 1, 0],
  ['w', -1, 0],
  ['ene', 1, -0.4],
  ['ese', 1, 0.4],
  ['wnw', -1, -0.4],
  ['wsw', -1, 0.4],
  ['ne', 1, -0.8],
  ['se', 1, 0.8],
  ['nw', -1, -0.8],
  ['sw', -1, 0.8],
  ['n', 0, -1],
  ['s', 0, 1],
];
const DISTANCES: readonly number[] = [0.35, 1.1, 2.2, 3.6, 5.2];

/** Of a plate: the map's vertices reach 1,023 pixels to either side of its middle. */
const W_MAX_PX = 2040;
/** The part of a bubble's radius within which its number stands: no plate ever comes there. */
const NUMBER_SHARE = 0.85;
/** More than all else together: a bubble's rim is touched only where no other place is free. */
const RIM_COST = 100;
/** For each smaller size: a name is worth a leader, but not a hotspot hidden. */
const SMALLER_COST = 2.5;
/** A plate that jumps must be found again: it stays until another place is clearly better. */
const KEPT_GAIN = 1;
/** For each weaker plate that would have to jump. */
const PUSH_COST = 0.8;
/** What it costs to hide another hotspot's shape: the strongest must stay in sight. */
const OTHER_WEIGHTS: readonly number[] = [6, 3, 3];

interface Other {
  readonly shape: Box;
  readonly weight: number;
}

/** In the order of `requests`: the strongest chooses first. A plate without any free place is left out. */
export function placePlates(
  requests: readonly PlateRequest[],
  surface: Surface,
  before: ReadonlyMap<string, string> = new Map(),
): PlacedPlate[] {
  const placed: PlacedPlate[] = [];
  const all = requests.map((request) => [...candidates(request, surface.frame)]);
  const standing = new Map(all.flat().filter(({ id, slot }) => before.get(id) === slot).map((plate) => [plate.id, plate.box]));
  for (const [n, request] of requests.entries()) {
    standing.delete(request.id);
    const outward = outwardOf(request.shape, surface.bubbles);
    const others = requests.map(({ shape }, rank) => ({ shape, weight: OTHER_WEIGHTS[rank] ?? 0.8 })).filter(({ shape }) => shape !== request.shape);
    let best: { plate: PlacedPlate; cost: number } | null = null;
    for (const plate of all[n] ?? []) {
      if (!isFree(plate.box, surface, placed)) continue;
      const kept = before.get(request.id) === plate.slot;
      const cost =
        RIM_COST * rimsTouched(plate.box, surface, kept) +
        SMALLER_COST * plate.size +
        costOf(plate, request, others, outward) +
        crossings(plate, placed) +
        PUSH_COST * [...standing.values()].filter((box) => overlap(box, plate.box) > 0).length -
        (kept ? KEPT_GAIN : 0);
      if (best === null || cost < best.cost) best = { plate, cost };
    }
    if (best !== null) placed.push(best.plate);
  }
  return placed;
}

/** Pushed back into the frame where they would leave it; a plate wider than the frame has none. */
function* candidates(request: PlateRequest, frame: Box): Generator<PlacedPlate> {
  const { id, shape, sizes } = request;
  const [cx, cy] = centreOf(shape);
  for (const [size, { w, h }] of sizes.entries()) {
    if (w > Math.min(frame.w, W_MAX_PX) || h > frame.h) continue;
    for (const [step, distance] of DISTANCES.entries()) {
      const gap_px = h * distance;
      for (const [name, dx, dy] of DIRECTIONS) {
        const px = cx + dx * (shape.w / 2 + gap_px + w / 2);
        const py = cy + dy * (shape.h / 2 + gap_px + h / 2);
        const x = Math.min(frame.x + frame.w - w, Math.max(frame.x, px - w / 2));
        const y = Math.min(frame.y + frame.h - h, Math.max(frame.y, py - h / 2));
        const box = { x: Math.round(x), y: Math.round(y), w, h };
        yield { id, box, size, leader: leaderOf(shape, box), slot: `${name}${step}.${size}` };
      }
    }
  }
}

function isFree(box: Box, { blocked, bubbles }: Surface, placed: readonly PlacedPlate[]): boolean {
  return (
    !blocked.some((panel) => overlap(panel, box) > 0) &&
    !placed.some((other) => overlap(grown(other.box, 4), box) > 0) &&
    !bubbles.some(({ x, y, r }) => touches(box, { x, y, r: r * NUMBER_SHARE }))
  );
}

/** A plate that stays may use the gap up, so that it does not jump whenever a bubble grows. */
function rimsTouched(box: Box, { bubbles, gap }: Surface, kept: boolean): number {
  return bubbles.filter(({ x, y, r }) => touches(box, { x, y, r: r + (kept ? 0 : gap) })).length;
}

/** Own and other shapes weigh most, then standing on the crowded side, then the length of the leader. */
function costOf(plate: PlacedPlate, request: PlateRequest, others: readonly Other[], outward: Point): number {
  // In shares of what is covered: half a shape hidden is half a shape lost, however wide the plate.
  const covered = (box: Box): number => overlap(box, plate.box) / Math.max(1, box.w * box.h);
  const length = plate.leader === null ? 0 : distance(...plate.leader) / plate.box.h;
  const [from, to] = [centreOf(request.shape), centreOf(plate.box)];
  const away = (to[0] - from[0]) * outward[0] + (to[1] - from[1]) * outward[1];
  const turned = 1 - away / Math.max(1, distance(from, to));
  return 4 * covered(request.shape) + others.reduce((sum, { shape, weight }) => sum + weight * covered(shape), 0) + 0.4 * turned + 0.16 * length;
}

/** A leader behind another plate, or behind this one, is a leader to the wrong place. */
function crossings(plate: PlacedPlate, placed: readonly PlacedPlate[]): number {
  const crosses = (leader: Segment | null, box: Box): boolean => leader !== null && cuts(leader, box);
  return placed.filter((other) => crosses(plate.leader, other.box) || crosses(other.leader, plate.box)).length * 1.5;
}

/** From the middle of the crowd towards the shape, of length one: plates belong on the free side, often the sea. */
function outwardOf(shape: Box, bubbles: readonly Disc[]): Point {
  if (bubbles.length === 0) return [0, 0];
  const [cx, cy] = centreOf(shape);
  const dx = cx - bubbles.reduce((sum, { x }) => sum + x, 0) / bubbles.length;
  const dy = cy - bubbles.reduce((sum, { y }) => sum + y, 0) / bubbles.length;
  const length = Math.hypot(dx, dy);
  return length < 1 ? [0, 0] : [dx / length, dy / length];
}

function leaderOf(shape: Box, plate: Box): Segment | null {
  const centre = centreOf(shape);
  const to = nearest(plate, centre);
  const reach = distance(centre, to);
  const r = Math.min(shape.w, shape.h) / 2;
  if (reach <= r + 6) return null;
  return [[centre[0] + ((to[0] - centre[0]) * r) / reach, centre[1] + ((to[1] - centre[1]) * r) / reach], to];
}
