/** Web Mercator, as the server's cells and the map's pixels use it. Latitudes beyond the square of the world are clamped. */
import type { Bbox, LngLat } from '../feed/protocol';

const LAT_MAX = 85.0511;
const TILE_PX = 512;

export interface Px {
  readonly x: number;
  readonly y: number;
}

/** Pixels of the whole world at a zoom of the map. */
export function toWorldPx([lng, lat]: LngLat, zoom: number): Px {
  const size_px = TILE_PX * 2 ** zoom;
  return { x: unitX(lng) * size_px, y: unitY(lat) * size_px };
}

export function fromWorldPx({ x, y }: Px, zoom: number): LngLat {
  const size_px = TILE_PX * 2 ** zoom;
  const lat = (Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / size_px))) * 180) / Math.PI;
  return [(x / size_px) * 360 - 180, lat];
}

/** The tile of `level` that a place lies in, as `level/x/y`. */
export function cellOf([lng, lat]: LngLat, level: number): string {
  const n = 2 ** level;
  const index = (unit: number): number => Math.min(n - 1, Math.max(0, Math.floor(unit * n)));
  return `${level}/${index(unitX(lng))}/${index(unitY(lat))}`;
}

/**
 * A bbox widened to whole cells of a coarse grid, so that small pans and windows of nearly one size ask for the same
 * view and share the server's frames.
 */
export function widened([west, south, east, north]: Bbox, zoom: number): Bbox {
  const n = 2 ** Math.max(0, Math.floor(zoom) + 1);
  if (east - west >= 360) return [-180, Math.max(-LAT_MAX, south), 180, Math.min(LAT_MAX, north)];
  const lng = (cells: number): number => round((cells / n) * 360 - 180);
  const lat = (cells: number): number => round((Math.atan(Math.sinh(Math.PI * (1 - (2 * cells) / n))) * 180) / Math.PI);
  return [
    wrap(lng(Math.floor(unitX(west) * n))),
    lat(Math.min(n, Math.ceil(unitY(south) * n))),
    wrap(lng(Math.ceil(unitX(east) * n))),
    lat(Math.max(0, Math.floor(unitY(north) * n))),
  ];
}

/** Whether `inner` lies within `outer`; neither crosses the antimeridian. */
export function covers(outer: Bbox, inner: Bbox): boolean {
  return outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3];
}

function unitX(lng: number): number {
  return (lng + 180) / 360;
}

function unitY(lat: number): number {
  const clamped = Math.min(LAT_MAX, Math.max(-LAT_MAX, lat));
  const r = (clamped * Math.PI) / 180;
  return (1 - Math.asinh(Math.tan(r)) / Math.PI) / 2;
}

function wrap(lng: number): number {
  if (lng > 180) return round(lng - 360);
  if (lng < -180) return round(lng + 360);
  return lng;
}

function round(degrees: number): number {
  return Math.round(degrees * 1e6) / 1e6;
}
