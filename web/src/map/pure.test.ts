import { describe, expect, it } from 'vitest';
import type { Cluster, Hotspot, Incident, MapItem } from '../feed/protocol';
import { parseBbox } from './camera';
import { toSourceDiff, type DrawnFeature } from './diff';
import { rankHotspots, shortName } from './hotspots';
import { iconPath } from './icons';
import { cellOf, covers, fromWorldPx, toWorldPx, widened } from './mercator';
import { heat } from './palette';
import { hasJoined, risen } from './risen';
import { scaleBar } from './scale';

describe('toSourceDiff', () => {
  const feature = (id: string, n: number): [string, DrawnFeature] => [
    id,
    { type: 'Feature', id, geometry: { type: 'Point', coordinates: [n, 0] }, properties: { id, n } },
  ];

  it('is nothing when nothing changed', () => {
    expect(toSourceDiff(new Map([feature('a', 1)]), new Map([feature('a', 1)]))).toBeNull();
  });

  it('names only what went, came or changed', () => {
    const diff = toSourceDiff(new Map([feature('a', 1), feature('b', 1), feature('c', 1)]), new Map([feature('b', 1), feature('c', 2), feature('d', 1)]));
    expect(diff?.remove).toEqual(['a']);
    expect(diff?.add?.map(({ id }) => id)).toEqual(['c', 'd']);
  });
});

describe('mercator', () => {
  it('there and back is the same place', () => {
    const [lng, lat] = fromWorldPx(toWorldPx([127.3801, 0.7912], 12.3), 12.3);
    expect(lng).toBeCloseTo(127.3801, 9);
    expect(lat).toBeCloseTo(0.7912, 9);
  });

  it('names cells as the server does', () => {
    expect(cellOf([127.3801, 0.7912], 16)).toBe('16/55956/32623');
    expect(cellOf([180, 85.2], 3)).toBe('3/7/0');
  });

  it('a widened bbox covers the seen one, and small pans ask for the same', () => {
    const seen = [127.31, 0.752, 127.39, 0.861] as const;
    const asked = widened(seen, 12.3);
    expect(covers(asked, seen)).toBe(true);
    expect(widened([127.312, 0.753, 127.389, 0.86], 12.3)).toEqual(asked);
  });

  it('crosses the antimeridian with west above east', () => {
    const [west, , east] = widened([179.2, -1, 181.1, 1], 8);
    expect(west).toBeGreaterThan(east);
  });
});

describe('risen', () => {
  const at = (id: string, count: number | null, lng = 127.3801): [string, MapItem] => [id, count === null ? incident(id, lng) : cluster(id, count, lng)];
  const cell = `c:${cellOf([127.3801, 0.7912], 16)}`;
  const check = (before: [string, MapItem][], after: [string, MapItem][], n: number): void =>
    expect(risen(new Map(before), new Map(after), 16)).toHaveLength(n);

  it('a new incident pulses', () => check([], [at('i:1', null)], 1));
  it('one that joins a cluster pulses once', () => check([at('i:1', null)], [at(cell, 2)], 1));
  it('a cluster that becomes one incident does not', () => check([at(cell, 2)], [at('i:1', null)], 0));
  it('a cluster that grows does', () => check([at(cell, 2)], [at(cell, 4)], 1));
  it('an incident whose cell became a cluster has joined it, one whose cell is empty has gone', () => {
    expect(hasJoined(incident('i:1', 127.3801), new Map([at(cell, 2)]), 16)).toBe(true);
    expect(hasJoined(incident('i:1', 127.3801), new Map([at('i:2', null, 127.39)]), 16)).toBe(false);
  });
  it('one that only changes its status does not', () => check([at('i:1', null)], [at('i:1', null)], 0));
});

describe('rankHotspots', () => {
  it('puts the most reports first', () => {
    const ranked = rankHotspots([hotspot('h:1-0', 'water', 12, 127.3), hotspot('h:3-0', 'traffic', 30, 127.4)]);
    expect(ranked.map(({ hotspot: { id }, rank }) => [id, rank])).toEqual([['h:3-0', 1], ['h:1-0', 2]]);
  });

  it('leaves out the layer over all where one category makes most of it, and only there', () => {
    const ids = (...all: Hotspot[]): string[] => rankHotspots(all).map(({ hotspot: { id } }) => id);
    expect(ids(hotspot('h:1-0', 'water', 12, 127.3), hotspot('h:2-0', 'all', 14, 127.3))).toEqual(['h:1-0']);
    expect(ids(hotspot('h:1-0', 'water', 4, 127.3), hotspot('h:2-0', 'all', 62, 127.3))).toEqual(['h:2-0', 'h:1-0']);
    expect(ids(hotspot('h:1-0', 'water', 12, 127.4), hotspot('h:2-0', 'all', 14, 127.3))).toEqual(['h:2-0', 'h:1-0']);
  });

  it('an ended one is gone', () => expect(rankHotspots([{ ...hotspot('h:1-0', 'water', 12, 127), state: 'ended' }])).toEqual([]));
});

it('a long name of a hotspot becomes a short one', () => {
  expect(shortName('Muhajirin dan 2 lainnya')).toBe('Muhajirin +2');
  expect(shortName('Muhajirin and 2 more')).toBe('Muhajirin +2');
  expect(shortName('Bastiong Karance')).toBe('Bastiong Karance');
});

it('heat rises with the reports and stays within the ramp', () => {
  expect(heat(1)).toBe(0);
  expect(heat(12)).toBeLessThan(heat(60));
  expect(heat(100_000)).toBe(1);
});

it('an icon that is not in the set is a dot, the ones of the packs are not', () => {
  const dot = iconPath('no-such-icon');
  for (const name of ['waste-basket', 'traffic_signals', 'water_tap', 'construction', 'road-accident', 'caution', 'social_facility', 'volcano', 'harbor', 'airport']) {
    expect(iconPath(name), name).not.toBe(dot);
  }
});

it('the scale bar is a round distance that fits', () => {
  for (let zoom = 2; zoom < 19; zoom += 0.3) {
    const { metres, width_px } = scaleBar(0.8, zoom, 110);
    expect(width_px).toBeLessThanOrEqual(110);
    expect(width_px).toBeGreaterThan(40);
    expect(String(metres)).toMatch(/^[125]0*$/);
  }
});

it('a bbox is four numbers in order, or none', () => {
  expect(parseBbox('127.3,0.7,127.4,0.9')).toEqual([127.3, 0.7, 127.4, 0.9]);
  for (const text of [null, '', '1,2,3', '1,2,3,x', '0,5,1,4', '0,0,1,95', '200,0,201,1']) expect(parseBbox(text), String(text)).toBeNull();
});

function incident(id: string, lng: number): Incident {
  return {
    kind: 'incident', id, at: [lng, 0.7912], category: 'garbage', status: 'new', reports: 1, title: null, area: null, agency: null,
    openedAtMs: 0, updatedAtMs: 0, dueAtMs: null, overdue: false, drill: false, version: null,
  };
}

function cluster(id: string, count: number, lng: number): Cluster {
  return { kind: 'cluster', id, at: [lng, 0.7912], count, reports: count, byCategory: { garbage: count }, overdue: 0, expandZoom: null };
}

function hotspot(id: string, category: string, reports: number, lng: number): Hotspot {
  return {
    kind: 'hotspot', id, outline: { type: 'Polygon', coordinates: [[[lng - 0.002, 0.788], [lng + 0.002, 0.788], [lng, 0.793], [lng - 0.002, 0.788]]] }, centroid: [lng, 0.79], category, state: 'growing', trend: 1, reports, reporters: 3,
    name: { id: '', en: '' }, why: { id: '', en: '' }, firstAtMs: 0, lastAtMs: 0, drill: false,
  };
}
