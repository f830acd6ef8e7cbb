/**
 * Where the label plates of hotspots stand: outside their own shape, inside the frame, never on one another, off the
 * other hotspots and the bubbles where there is room. Pure; screen pixels.
 */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface PlateRequest {
  readonly id: string;
  /** The hotspot's outline on the screen. */
  readonly shape: Box;
  readonly w: number;
  readonly h: number;
}

export interface PlacedPlate {
  readonly id: string;
  readonly box: Box;
  /** From the shape's edge to the plate's edge; null where the plate stands right beside its shape. */
  readonly leader: readonly [from: readonly [number, number], to: readonly [number, number]] | null;
  /** Which of the candidate places was taken: offer it again, and the plate stays where it is. */
  readonly slot: string;
}

export interface Surface {
  readonly frame: Box;
  /** Panels that lie over the map. */
  readonly blocked: readonly Box[];
  readonly bubbles: readonly Box[];
}

type Vector = readonly [number, number];

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
/** What it costs to hide another hotspot's shape: the strongest must stay in sight. */
const OTHER_WEIGHTS: readonly number[] = [6, 3, 3];

interface Other {
  readonly shape: Box;
  readonly weight: number;
}

const DISTANCES: readonly number[] = [0.35, 1.1, 2.2, 3.6, 5.2];

/** In the order of `requests`: the strongest chooses first. A plate without any free place is left out. */
export function placePlates(
  requests: readonly PlateRequest[],
  surface: Surface,
  before: ReadonlyMap<string, string> = new Map(),
): PlacedPlate[] {
  const placed: PlacedPlate[] = [];
  for (const request of requests) {
    const outward = outwardOf(request.shape, surface.bubbles);
    const others = requests.map(({ shape }, rank) => ({ shape, weight: OTHER_WEIGHTS[rank] ?? 0.8 })).filter(({ shape }) => shape !== request.shape);
    let best: { plate: PlacedPlate; cost: number } | null = null;
    for (const plate of candidates(request, surface.frame)) {
      if (surface.blocked.some((box) => overlap(box, plate.box) > 0)) continue;
      if (placed.some((other) => overlap(grown(other.box, 4), plate.box) > 0)) continue;
      const cost = costOf(plate, request, others, surface.bubbles, outward) + crossings(plate, placed) - (before.get(request.id) === plate.slot ? 0.35 : 0);
      if (best === null || cost < best.cost) best = { plate, cost };
    }
    if (best !== null) placed.push(best.plate);
  }
  return placed;
}

/** Pushed back into the frame where they would leave it; a plate wider than the frame has none. */
function* candidates(request: PlateRequest, frame: Box): Generator<PlacedPlate> {
  const { shape, w, h } = request;
  if (w > frame.w || h > frame.h) return;
  const cx = shape.x + shape.w / 2;
  const cy = shape.y + shape.h / 2;
  for (const [step, distance] of DISTANCES.entries()) {
    const gap_px = h * distance;
    for (const [name, dx, dy] of DIRECTIONS) {
      const px = cx + dx * (shape.w / 2 + gap_px + w / 2);
      const py = cy + dy * (shape.h / 2 + gap_px + h / 2);
      const x = Math.min(frame.x + frame.w - w, Math.max(frame.x, px - w / 2));
      const y = Math.min(frame.y + frame.h - h, Math.max(frame.y, py - h / 2));
      const box = { x: Math.round(x), y: Math.round(y), w, h };
      yield { id: request.id, box, leader: leaderOf(shape, box), slot: `${name}${step}` };
    }
  }
}

/** Own and other shapes weigh most, then bubbles, then standing on the crowded side, then the length of the leader. */
function costOf(plate: PlacedPlate, request: PlateRequest, others: readonly Other[], bubbles: readonly Box[], outward: Vector): number {
  // In shares of what is covered: half a bubble hidden is half a bubble lost, however wide the plate.
  const covered = (boxes: readonly Box[]): number => boxes.reduce((sum, box) => sum + overlap(box, plate.box) / Math.max(1, box.w * box.h), 0);
  const length = plate.leader === null ? 0 : distance(plate.leader[0], plate.leader[1]) / plate.box.h;
  const away = (centreOf(plate.box)[0] - centreOf(request.shape)[0]) * outward[0] + (centreOf(plate.box)[1] - centreOf(request.shape)[1]) * outward[1];
  const turned = 1 - away / Math.max(1, distance(centreOf(plate.box), centreOf(request.shape)));
  return 4 * covered([request.shape]) + others.reduce((sum, { shape, weight }) => sum + weight * covered([shape]), 0) + 2.4 * covered(bubbles) + 0.4 * turned + 0.16 * length;
}

/** A leader behind another plate, or behind this one, is a leader to the wrong place. */
function crossings(plate: PlacedPlate, placed: readonly PlacedPlate[]): number {
  return placed.filter((other) => cuts(plate.leader, other.box) || cuts(other.leader, plate.box)).length * 1.5;
}

function cuts(leader: PlacedPlate['leader'], box: Box): boolean {
  if (leader === null) return false;
  // Walking along it finds every box that matters: plates are far thicker than a step.
  const [[x1, y1], [x2, y2]] = leader;
  const steps = Math.ceil(Math.hypot(x2 - x1, y2 - y1) / 8);
  for (let n = 0; n <= steps; n++) {
    const x = x1 + ((x2 - x1) * n) / Math.max(1, steps);
    const y = y1 + ((y2 - y1) * n) / Math.max(1, steps);
    if (x > box.x && x < box.x + box.w && y > box.y && y < box.y + box.h) return true;
  }
  return false;
}

/** From the middle of the crowd towards the shape, of length one: plates belong on the free side, often the sea. */
function outwardOf(shape: Box, bubbles: readonly Box[]): Vector {
  if (bubbles.length === 0) return [0, 0];
  const [cx, cy] = centreOf(shape);
  const dx = cx - bubbles.reduce((sum, box) => sum + centreOf(box)[0], 0) / bubbles.length;
  const dy = cy - bubbles.reduce((sum, box) => sum + centreOf(box)[1], 0) / bubbles.length;
  const length = Math.hypot(dx, dy);
  return length < 1 ? [0, 0] : [dx / length, dy / length];
}

function centreOf(box: Box): Vector {
  return [box.x + box.w / 2, box.y + box.h / 2];
}

/** A box no narrower and no lower than `side`, with the same centre. */
export function atLeast(box: Box, side: number): Box {
  const w = Math.max(box.w, side);
  const h = Math.max(box.h, side);
  return { x: box.x + box.w / 2 - w / 2, y: box.y + box.h / 2 - h / 2, w, h };
}

function leaderOf(shape: Box, plate: Box): PlacedPlate['leader'] {
  const centre = [shape.x + shape.w / 2, shape.y + shape.h / 2] as const;
  const to = nearest(plate, centre);
  const reach = distance(centre, to);
  const r = Math.min(shape.w, shape.h) / 2;
  if (reach <= r + 6) return null;
  const from = [centre[0] + ((to[0] - centre[0]) * r) / reach, centre[1] + ((to[1] - centre[1]) * r) / reach] as const;
  return [from, to];
}

function nearest(box: Box, [x, y]: readonly [number, number]): readonly [number, number] {
  return [Math.min(box.x + box.w, Math.max(box.x, x)), Math.min(box.y + box.h, Math.max(box.y, y))];
}

/** The area that two boxes share. */
export function overlap(a: Box, b: Box): number {
  const w = Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x);
  const h = Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

function grown(box: Box, by: number): Box {
  return { x: box.x - by, y: box.y - by, w: box.w + 2 * by, h: box.h + 2 * by };
}

function distance(a: readonly [number, number], b: readonly [number, number]): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
