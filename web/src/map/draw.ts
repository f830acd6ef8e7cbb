/**
 * The marks of the map, drawn to a canvas once for each appearance: incidents, bubbles, hotspot plates.
 * Sizes are CSS pixels; `ratio` is how many canvas pixels each has.
 */
import type { Category } from '../feed/city';
import type { ClockState, Counts, HotspotState, Status } from '../feed/protocol';
import { DEADLINE_SIGNS, SIGN_BOX } from './deadline';
import { iconPath, ICON_BOX } from './icons';
import type { Palette } from './palette';

export const FONT = '"Atkinson Hyperlegible Next"';

export interface Mark {
  readonly image: ImageData;
  readonly w: number;
  readonly h: number;
}

function sheet(w: number, h: number, ratio: number, paint: (c: CanvasRenderingContext2D) => void): Mark {
  const canvas = document.createElement('canvas');
  canvas.width = Math.ceil(w * ratio);
  canvas.height = Math.ceil(h * ratio);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('no 2D canvas');
  context.scale(ratio, ratio);
  paint(context);
  return { image: context.getImageData(0, 0, canvas.width, canvas.height), w, h };
}

function circle(c: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  c.beginPath();
  c.arc(x, y, r, 0, 2 * Math.PI);
}

/**
 * The state of work by shape as well as colour: dashed = not verified, thin = verified and waiting, half = in work,
 * full = done.
 */
function statusRing(c: CanvasRenderingContext2D, x: number, y: number, r: number, unit: number, status: Status, colour: string): void {
  c.strokeStyle = colour;
  c.lineCap = 'butt';
  switch (status) {
    case 'new': {
      const dash = (2 * Math.PI * r) / 12;
      c.lineWidth = 2 * unit;
      c.setLineDash([dash * 0.6, dash * 0.4]);
      circle(c, x, y, r);
      c.stroke();
      c.setLineDash([]);
      return;
    }
    case 'verified':
    case 'rejected':
      c.lineWidth = 2 * unit;
      circle(c, x, y, r);
      c.stroke();
      return;
    case 'in_progress':
      c.lineWidth = unit;
      circle(c, x, y, r);
      c.stroke();
      c.lineWidth = 3.4 * unit;
      c.beginPath();
      c.arc(x, y, r, -Math.PI / 2, Math.PI / 2);
      c.stroke();
      return;
    case 'resolved':
      c.lineWidth = 3.4 * unit;
      circle(c, x, y, r);
      c.stroke();
      return;
  }
}

/** At a desk: the side of each sign of a deadline. What is late is the largest. */
const SIGN_PX: Readonly<Record<ClockState, number>> = { ok: 14, soon: 16, late: 16, paused: 14 };
/** At a desk: what a mark leaves free round its disc, for the sign on its rim. */
const SIGN_PAD_PX = 7;

/** The sign of a deadline on the upper right of a mark's rim, with a seam that parts it from the ring. */
function deadlineSign(c: CanvasRenderingContext2D, x: number, y: number, unit: number, state: ClockState, palette: Palette): void {
  const { body, mark, solid } = DEADLINE_SIGNS[state];
  const { fill, line, ink } = palette.deadline[state];
  const side = SIGN_PX[state] * unit;
  const outline = new Path2D(body);
  c.save();
  c.translate(x - side / 2, y - side / 2);
  c.scale(side / SIGN_BOX, side / SIGN_BOX);
  c.lineJoin = 'round';
  c.lineCap = 'round';
  c.strokeStyle = palette.panel;
  c.lineWidth = solid ? 4 : 4.6;
  c.stroke(outline);
  c.fillStyle = fill;
  c.fill(outline);
  c.strokeStyle = line;
  c.lineWidth = solid ? 1 : 1.8;
  c.stroke(outline);
  c.strokeStyle = ink;
  c.lineWidth = solid ? 2.1 : 1.8;
  c.stroke(new Path2D(mark));
  c.restore();
}

/** At a desk: of the plate that has the count of reports. */
const FIGURE = { font_px: 11.5, h: 14, pad: 3.6 } as const;

/** How many reports stand behind a mark, on the lower right of its rim; `right` is where its plate ends at most. */
function figurePlate(c: CanvasRenderingContext2D, centre: number, r_px: number, right: number, unit: number, figure: string, palette: Palette): void {
  const h = FIGURE.h * unit;
  const seam = 1.2 * unit;
  c.font = `700 ${FIGURE.font_px * unit}px ${FONT}`;
  const w = Math.max(h, c.measureText(figure).width + 2 * FIGURE.pad * unit);
  const y = centre + r_px * 0.8;
  // Round its place on the rim, but within the picture.
  const x = Math.min(centre + r_px * 0.76, right - w / 2 - seam);
  c.fillStyle = palette.panel;
  c.beginPath();
  c.roundRect(x - w / 2 - seam, y - h / 2 - seam, w + 2 * seam, h + 2 * seam, h / 2 + seam);
  c.fill();
  c.fillStyle = palette.text;
  c.beginPath();
  c.roundRect(x - w / 2, y - h / 2, w, h, h / 2);
  c.fill();
  c.fillStyle = palette.panel;
  c.textAlign = 'center';
  c.textBaseline = 'alphabetic';
  c.fillText(figure, x, y + FIGURE.font_px * unit * 0.334);
}

interface IncidentLook {
  readonly icon: string;
  readonly colour: string;
  readonly status: Status;
  readonly deadline: ClockState | null;
  /** How many reports stand behind it, where it is more than one. */
  readonly figure: string | null;
}

export function drawIncident(
  look: IncidentLook,
  r_px: number,
  ratio: number,
  palette: Palette,
): Mark {
  const unit = r_px / 15;
  const pad = SIGN_PAD_PX * unit;
  const size = 2 * (r_px + pad);
  return sheet(size, size, ratio, (c) => {
    const centre = size / 2;
    c.fillStyle = palette.panel;
    circle(c, centre, centre, r_px);
    c.fill();
    c.save();
    const iconSize = 16.5 * unit;
    c.translate(centre - iconSize / 2, centre - iconSize / 2);
    c.scale(iconSize / ICON_BOX, iconSize / ICON_BOX);
    c.fillStyle = look.colour;
    c.fill(new Path2D(iconPath(look.icon)));
    c.restore();
    statusRing(c, centre, centre, r_px - 1.7 * unit, unit, look.status, palette.status[look.status]);
    if (look.deadline !== null) deadlineSign(c, centre + r_px * 0.76, centre - r_px * 0.76, unit, look.deadline, palette);
    if (look.figure !== null) figurePlate(c, centre, r_px, size, unit, look.figure, palette);
  });
}

export function drawBubble(
  look: { readonly label: string; readonly shares: Counts; readonly late: boolean },
  categories: readonly Category[],
  theme: 'dark' | 'day',
  r_px: number,
  scale: number,
  ratio: number,
  palette: Palette,
): Mark {
  const pad = SIGN_PAD_PX * scale;
  const size = 2 * (r_px + pad);
  return sheet(size, size, ratio, (c) => {
    const centre = size / 2;
    const ring = 3.4 * scale;
    c.fillStyle = palette.panel;
    circle(c, centre, centre, r_px);
    c.fill();
    const total = Object.values(look.shares).reduce((sum, n) => sum + n, 0);
    const parts = categories.filter((category) => (look.shares[category.key] ?? 0) > 0);
    const gap = parts.length > 1 ? (1.2 * scale) / r_px : 0;
    let from = -Math.PI / 2;
    c.lineWidth = ring;
    c.lineCap = 'butt';
    for (const category of parts) {
      const to = from + (2 * Math.PI * (look.shares[category.key] ?? 0)) / total;
      c.strokeStyle = category.colour[theme];
      c.beginPath();
      c.arc(centre, centre, r_px - ring / 2 - 0.6 * scale, from + gap / 2, Math.max(from + gap / 2, to - gap / 2));
      c.stroke();
      from = to;
    }
    c.fillStyle = palette.text;
    c.textAlign = 'center';
    c.textBaseline = 'alphabetic';
    const inner = 2 * (r_px - ring) - 5 * scale;
    let font_px = Math.min(17 * scale, r_px * 0.98);
    c.font = `700 ${font_px}px ${FONT}`;
    font_px *= Math.min(1, inner / c.measureText(look.label).width);
    c.font = `700 ${font_px}px ${FONT}`;
    c.fillText(look.label, centre, centre + font_px * 0.334);
    if (look.late) deadlineSign(c, centre + (r_px - ring / 2) * 0.74, centre - (r_px - ring / 2) * 0.74, scale, 'late', palette);
  });
}

/** A ring round a hotspot that would be a speck at this zoom. */
export function drawBeacon(r_px: number, strong: boolean, colour: string, scale: number, ratio: number): Mark {
  const line = (strong ? 3.2 : 2) * scale;
  const size = 2 * (r_px + line);
  return sheet(size, size, ratio, (c) => {
    circle(c, size / 2, size / 2, r_px);
    c.fillStyle = colour;
    c.globalAlpha = strong ? 0.34 : 0.18;
    c.fill();
    c.globalAlpha = 1;
    c.strokeStyle = colour;
    c.lineWidth = line;
    c.stroke();
  });
}

export type Trend = 'up' | 'level' | 'down';

export interface PlateLook {
  /** 1, 2, 3 or null. */
  readonly rank: number | null;
  /** Null on a compact plate. */
  readonly name: string | null;
  readonly count: string;
  readonly trend: Trend;
  readonly icon: string;
  readonly colour: string;
}

/** The plate of a hotspot: rank, icon of its category, place, count, arrow. */
export function drawPlate(look: PlateLook, font_px: number, ratio: number, palette: Palette): Mark {
  const h = Math.round(font_px * 1.56);
  const pad = font_px * 0.38;
  const gap = font_px * 0.34;
  const badge = look.rank === null ? 0 : h;
  const icon = font_px * 0.9;
  const arrow = font_px * 0.56;
  const measure = document.createElement('canvas').getContext('2d');
  if (measure === null) throw new Error('no 2D canvas');
  const nameFont = `600 ${font_px}px ${FONT}`;
  const countFont = `700 ${font_px}px ${FONT}`;
  measure.font = nameFont;
  // "Sulamadaha +1" and 14 reports must not read as 114.
  const barred = /\d$/.test(look.name ?? '');
  const nameW = look.name === null ? 0 : measure.measureText(look.name).width + gap * (barred ? 2.2 : 1);
  measure.font = countFont;
  const countW = measure.measureText(look.count).width;
  const w = Math.ceil(badge + pad + icon + gap * 0.8 + nameW + countW + gap * 0.7 + arrow + pad);
  // The strongest hotspot is the strongest thing on the screen: its plate is filled.
  const filled = look.rank === 1;
  const ink = filled ? palette.onRamp : palette.text;
  return sheet(w, h, ratio, (c) => {
    const line = Math.max(1.5, font_px * 0.08);
    c.fillStyle = filled ? look.colour : palette.panel;
    c.strokeStyle = look.colour;
    c.lineWidth = line;
    c.beginPath();
    c.roundRect(line / 2, line / 2, w - line, h - line, font_px * 0.16);
    c.fill();
    if (look.rank !== null) {
      c.save();
      c.clip();
      c.fillStyle = filled ? palette.onRamp : look.colour;
      c.fillRect(0, 0, badge, h);
      c.restore();
      c.fillStyle = filled ? look.colour : palette.onRamp;
      c.font = countFont;
      c.textAlign = 'center';
      c.fillText(String(look.rank), badge / 2, h / 2 + font_px * 0.334);
    }
    c.stroke();
    c.textAlign = 'left';
    let x = badge + pad;
    c.save();
    c.translate(x, (h - icon) / 2);
    c.scale(icon / ICON_BOX, icon / ICON_BOX);
    c.fillStyle = filled ? ink : palette.muted;
    c.fill(new Path2D(iconPath(look.icon)));
    c.restore();
    x += icon + gap * 0.8;
    c.fillStyle = ink;
    c.font = nameFont;
    if (look.name !== null) c.fillText(look.name, x, h / 2 + font_px * 0.334);
    x += nameW;
    c.fillStyle = filled ? ink : look.colour;
    if (barred) c.fillRect(x - gap * 1.1 - line / 2, h * 0.24, line, h * 0.52);
    c.font = countFont;
    c.fillText(look.count, x, h / 2 + font_px * 0.334);
    x += countW + gap * 0.7;
    drawArrow(c, x, h / 2, arrow, look.trend);
  });
}

function drawArrow(c: CanvasRenderingContext2D, x: number, y: number, size: number, trend: Trend): void {
  c.beginPath();
  if (trend === 'level') {
    c.rect(x, y - size * 0.12, size, size * 0.24);
  } else {
    const tip = trend === 'up' ? -1 : 1;
    c.moveTo(x, y - tip * size * 0.42);
    c.lineTo(x + size, y - tip * size * 0.42);
    c.lineTo(x + size / 2, y + tip * size * 0.46);
    c.closePath();
  }
  c.fill();
}

/** Which way a hotspot goes, by its state: a figure over a handful of reports would swing to and fro. */
export function trendOf(state: HotspotState): Trend {
  if (state === 'cooling') return 'down';
  return state === 'steady' ? 'level' : 'up';
}
