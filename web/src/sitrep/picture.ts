/** Where things stand in a printed picture of the city: a plain drawing, so that it is sharp on paper and needs no GPU. Pure. */
import type { City } from '../feed/city';
import type { LngLat } from '../feed/protocol';
import { startCamera } from '../map/camera';
import { toWorldPx } from '../map/mercator';

export interface Frame {
  readonly w: number;
  readonly h: number;
  /** Pixels of the picture. */
  to(at: LngLat): { readonly x: number; readonly y: number };
  holds(at: LngLat): boolean;
}

/** What a map of this size shows when it opens. */
export function frameOf(city: City, w: number, h: number): Frame {
  const { centre, zoom } = startCamera(city, w, h);
  const middle = toWorldPx(centre, zoom);
  const to = (at: LngLat): { x: number; y: number } => {
    const px = toWorldPx(at, zoom);
    return { x: px.x - middle.x + w / 2, y: px.y - middle.y + h / 2 };
  };
  const holds = (at: LngLat): boolean => {
    const { x, y } = to(at);
    return x >= 0 && y >= 0 && x <= w && y <= h;
  };
  return { w, h, to, holds };
}

/** How far an area reaches from its middle, in pixels of the picture. */
export function reachOf(geometry: GeoJSON.Polygon | GeoJSON.MultiPolygon, frame: Frame): number {
  const corners = (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates).flat(2).map((at) => frame.to(at as unknown as LngLat));
  const span = (of: readonly number[]): number => Math.max(...of) - Math.min(...of);
  return Math.max(span(corners.map(({ x }) => x)), span(corners.map(({ y }) => y))) / 2;
}

/** An SVG path of an area; corners nearer than half a pixel to the one before are left out. */
export function pathOf(geometry: GeoJSON.Polygon | GeoJSON.MultiPolygon, frame: Frame): string {
  const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
  return polygons.flatMap((rings) => rings.map((ring) => ringPath(ring as unknown as readonly LngLat[], frame))).join('');
}

function ringPath(ring: readonly LngLat[], frame: Frame): string {
  let path = '';
  let last = { x: NaN, y: NaN };
  for (const at of ring) {
    const px = frame.to(at);
    if (path !== '' && Math.abs(px.x - last.x) < 0.5 && Math.abs(px.y - last.y) < 0.5) continue;
    path += `${path === '' ? 'M' : 'L'}${px.x.toFixed(1)} ${px.y.toFixed(1)}`;
    last = px;
  }
  return path === '' ? '' : `${path}Z`;
}
