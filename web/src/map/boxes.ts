/** Boxes and discs on the screen, in pixels. Pure. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface Disc {
  /** Of the centre. */
  readonly x: number;
  readonly y: number;
  readonly r: number;
}

export type Point = readonly [x: number, y: number];

export type Segment = readonly [from: Point, to: Point];

/** Where it comes to rest, also while it still slides in. */
export function boxOf({ offsetLeft, offsetTop, offsetWidth, offsetHeight }: HTMLElement): Box {
  return { x: offsetLeft, y: offsetTop, w: offsetWidth, h: offsetHeight };
}

/** Of a panel whose parts are not all as wide as itself. */
export function partsOf(panel: HTMLElement): Box[] {
  const { x, y } = boxOf(panel);
  return [...panel.children].filter((part) => part instanceof HTMLElement).map(boxOf).map((part) => ({ ...part, x: x + part.x, y: y + part.y }));
}

export function centreOf(box: Box): Point {
  return [box.x + box.w / 2, box.y + box.h / 2];
}

/** A box no narrower and no lower than `side`, with the same centre. */
export function atLeast(box: Box, side: number): Box {
  const w = Math.max(box.w, side);
  const h = Math.max(box.h, side);
  return { x: box.x + box.w / 2 - w / 2, y: box.y + box.h / 2 - h / 2, w, h };
}

export function grown(box: Box, by: number): Box {
  return { x: box.x - by, y: box.y - by, w: box.w + 2 * by, h: box.h + 2 * by };
}

/** The strips along the inside of a frame's four edges. */
export function edgesOf({ x, y, w, h }: Box, thick: number): Box[] {
  return [
    { x, y, w, h: thick },
    { x, y: y + h - thick, w, h: thick },
    { x, y, w: thick, h },
    { x: x + w - thick, y, w: thick, h },
  ];
}

/** The same area in boxes with no side longer than `side`. */
export function cutUp({ x, y, w, h }: Box, side: number): Box[] {
  const [columns, rows] = [Math.ceil(w / side), Math.ceil(h / side)];
  return Array.from({ length: columns * rows }, (_, n) => ({
    x: x + (w / columns) * (n % columns),
    y: y + (h / rows) * Math.floor(n / columns),
    w: w / columns,
    h: h / rows,
  }));
}

/** The area that two boxes share. */
export function overlap(a: Box, b: Box): number {
  const w = Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x);
  const h = Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

export function touches(box: Box, disc: Disc): boolean {
  const centre = [disc.x, disc.y] as const;
  return distance(nearest(box, centre), centre) < disc.r;
}

/** Of the box, its edge included. */
export function nearest(box: Box, [x, y]: Point): Point {
  return [Math.min(box.x + box.w, Math.max(box.x, x)), Math.min(box.y + box.h, Math.max(box.y, y))];
}

export function distance(a: Point, b: Point): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}

/** Walks along the segment: finds every box that is far thicker than a step. */
export function cuts([[x1, y1], [x2, y2]]: Segment, box: Box): boolean {
  const steps = Math.max(1, Math.ceil(Math.hypot(x2 - x1, y2 - y1) / 8));
  for (let n = 0; n <= steps; n++) {
    const x = x1 + ((x2 - x1) * n) / steps;
    const y = y1 + ((y2 - y1) * n) / steps;
    if (x > box.x && x < box.x + box.w && y > box.y && y < box.y + box.h) return true;
  }
  return false;
}
