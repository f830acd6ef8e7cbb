/** Where a map stands when it opens. Pure. */
import type { City } from '../feed/city';
import type { Bbox, LngLat } from '../feed/protocol';

export interface Camera {
  readonly centre: LngLat;
  readonly zoom: number;
}

/** The city pack's start zoom is meant for a map of this size. */
const START_SIDE_PX = 1120;

export function startCamera(city: City, w_px: number, h_px: number): Camera {
  const zoom = city.zoom.start + Math.log2(Math.max(200, Math.min(w_px, h_px)) / START_SIDE_PX);
  return { centre: city.centre, zoom: Math.min(city.zoom.max, Math.max(city.zoom.min, zoom)) };
}

/** `w,s,e,n`; `null` unless it is one. */
export function parseBbox(text: string | null): Bbox | null {
  if (text === null) return null;
  const parts = text.split(',').map(Number);
  const [w, s, e, n] = parts;
  if (parts.length !== 4 || w === undefined || s === undefined || e === undefined || n === undefined) return null;
  if (!parts.every(Number.isFinite) || Math.abs(w) > 180 || Math.abs(e) > 180 || s >= n || s < -90 || n > 90) return null;
  return [w, s, e, n];
}

const OF_GEOMETRY = new WeakMap<GeoJSON.Geometry, Bbox>();

/** Of one that does not change: an outline of a whole city has thousands of corners, and is asked for at each frame. */
export function boundsOfOne(geometry: GeoJSON.Geometry): Bbox | null {
  const known = OF_GEOMETRY.get(geometry);
  if (known !== undefined) return known;
  const box = boundsOf([geometry]);
  if (box !== null) OF_GEOMETRY.set(geometry, box);
  return box;
}

export function boundsOf(geometries: readonly GeoJSON.Geometry[]): Bbox | null {
  let box: [number, number, number, number] | null = null;
  const visit = (value: unknown): void => {
    if (!Array.isArray(value)) return;
    const [x, y] = value as unknown[];
    if (typeof x === 'number' && typeof y === 'number') {
      box = box === null ? [x, y, x, y] : [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y)];
      return;
    }
    for (const one of value) visit(one);
  };
  for (const geometry of geometries) if ('coordinates' in geometry) visit(geometry.coordinates);
  return box;
}
