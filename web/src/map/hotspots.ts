/** Hotspots as features of the map. Pure. */
import type { Hotspot } from '../feed/protocol';
import { centreOf, type Point } from './boxes';
import { boundsOfOne } from './camera';
import type { Drawn, DrawnFeature } from './diff';
import { toWorldPx } from './mercator';
import { heat, heatColour, type Palette } from './palette';
import type { PlacedPlate } from './plates';

export interface RankedHotspot {
  readonly hotspot: Hotspot;
  /** 1 is the strongest. */
  readonly rank: number;
}

export const NUMBERED_MAX = 3;

/**
 * The strongest first: most reports, then most reporters, then the newest report. The layer over all categories is
 * left out where one category alone makes most of it and so says the same more precisely.
 */
export function rankHotspots(hotspots: Iterable<Hotspot>): RankedHotspot[] {
  const all = [...hotspots].filter((hotspot) => hotspot.state !== 'ended');
  return all
    .filter((hotspot) => !isRepeat(hotspot, all))
    .sort((a, b) => b.reports - a.reports || b.reporters - a.reporters || b.lastAtMs - a.lastAtMs || (a.id < b.id ? -1 : 1))
    .map((hotspot, n) => ({ hotspot, rank: n + 1 }));
}

/** Whether a hotspot over all categories only repeats what one category's says; its alarms then do so too. */
export function isRepeat(hotspot: Hotspot, all: Iterable<Hotspot>): boolean {
  if (hotspot.category !== 'all') return false;
  for (const one of all) {
    if (one.category !== 'all' && one.state !== 'ended' && makesMostOf(one, hotspot)) return true;
  }
  return false;
}

function makesMostOf(one: Hotspot, mixed: Hotspot): boolean {
  if (one.drill !== mixed.drill || one.reports < mixed.reports / 2) return false;
  const box = boundsOfOne(mixed.outline);
  const [lng, lat] = one.centroid;
  return box !== null && lng >= box[0] && lat >= box[1] && lng <= box[2] && lat <= box[3];
}

/** `Muhajirin dan 2 lainnya` as `Muhajirin +2`: on a plate and a wall the place must be read at once. */
export function shortName(name: string): string {
  return name.replace(/ (?:dan|and) (\d+) (?:lainnya|more)$/, ' +$1');
}

export function hotspotFeatures(ranked: readonly RankedHotspot[], palette: Palette): Drawn {
  return new Map(
    ranked.map(({ hotspot, rank }): [string, DrawnFeature] => [
      hotspot.id,
      {
        type: 'Feature',
        id: hotspot.id,
        geometry: hotspot.outline,
        properties: {
          id: hotspot.id,
          hotspot: hotspot.id,
          rank,
          state: hotspot.state,
          colour: heatColour(palette.ramp, heat(hotspot.reports)),
        },
      },
    ]),
  );
}

/** At a desk. A hotspot of 200 m would be a speck when the whole island is in view: a ring makes it findable. */
const BEACON_R_PX = 24;

export function beaconRadius_px(rank: number, scale: number): number {
  return BEACON_R_PX * scale * (rank === 1 ? 1.25 : 1);
}

type BeaconImage = (r_px: number, strong: boolean, colour: string) => string;

export function beaconFeatures(ranked: readonly RankedHotspot[], palette: Palette, zoom: number, scale: number, image: BeaconImage): Drawn {
  const beacons = new Map<string, DrawnFeature>();
  for (const { hotspot, rank } of ranked) {
    const box = boundsOfOne(hotspot.outline);
    if (box === null) continue;
    const a = toWorldPx([box[0], box[3]], zoom);
    const b = toWorldPx([box[2], box[1]], zoom);
    const r_px = beaconRadius_px(rank, scale);
    if (Math.max(b.x - a.x, b.y - a.y) / 2 >= r_px) continue;
    beacons.set(hotspot.id, {
      type: 'Feature',
      id: hotspot.id,
      geometry: { type: 'Point', coordinates: [...hotspot.centroid] },
      properties: {
        id: hotspot.id,
        hotspot: hotspot.id,
        rank,
        image: image(r_px, rank === 1, heatColour(palette.ramp, heat(hotspot.reports))),
      },
    });
  }
  return beacons;
}

type Unproject = (at: Point) => number[];

/**
 * A plate stands at a place of its own, not at an offset from its hotspot: the map's vertices reach 1,023 pixels from
 * their place, and on a large wall plates stand further away.
 */
export function plateFeatures(
  placed: readonly PlacedPlate[],
  ranked: readonly RankedHotspot[],
  /** Of each hotspot's plate, by its size. */
  images: ReadonlyMap<string, readonly string[]>,
  palette: Palette,
  unproject: Unproject,
): { plates: Drawn; leaders: Drawn } {
  const plates = new Map<string, DrawnFeature>();
  const leaders = new Map<string, DrawnFeature>();
  for (const { id, box, size, leader } of placed) {
    const one = ranked.find(({ hotspot }) => hotspot.id === id);
    const image = images.get(id)?.[size];
    if (one === undefined || image === undefined) continue;
    plates.set(id, {
      type: 'Feature',
      id,
      geometry: { type: 'Point', coordinates: unproject(centreOf(box)) },
      properties: { id, hotspot: id, rank: one.rank, image },
    });
    if (leader === null) continue;
    leaders.set(id, {
      type: 'Feature',
      id,
      geometry: { type: 'LineString', coordinates: leader.map(unproject) },
      properties: { id, colour: heatColour(palette.ramp, heat(one.hotspot.reports)) },
    });
  }
  return { plates, leaders };
}
