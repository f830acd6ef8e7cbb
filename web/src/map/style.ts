/**
 * The map's style, built in code: few layers, no glyph files, no sprites, nothing from another host.
 * Sources and layers are made once; later only data and paint change.
 */
import type { ExpressionSpecification, LayerSpecification, SourceSpecification, StyleSpecification } from 'maplibre-gl';
import type { City } from '../feed/city';
import { PALETTES, type Palette, type Theme } from './palette';

export const MAP_FONT = 'Atkinson Hyperlegible Next';
export const SOURCE = {
  areas: 'areas',
  areaNames: 'area-names',
  hotspots: 'hotspots',
  beacons: 'beacons',
  leaders: 'leaders',
  items: 'items',
  plates: 'plates',
  clear: 'clear',
  chosen: 'chosen',
  here: 'here',
  selected: 'selected',
} as const;

export interface StyleOptions {
  readonly theme: Theme;
  /** 1 at a desk; multiplies every line and letter. */
  readonly scale: number;
  /** The smallest letters on the map. */
  readonly note_px: number;
}

export function buildStyle(city: City, options: StyleOptions, origin: string): StyleSpecification {
  const empty = { type: 'FeatureCollection' as const, features: [] };
  const sources: Record<string, SourceSpecification> = Object.fromEntries(
    Object.values(SOURCE).map((id) => [id, { type: 'geojson', data: empty, promoteId: 'id', tolerance: 0.1 }]),
  );
  if (city.basemap !== null) sources.base = { type: 'vector', url: `pmtiles://${new URL(city.basemap, origin).href}` };
  for (const [n, overlay] of city.overlays.entries()) {
    sources[`overlay-${n}`] = { type: 'vector', url: `pmtiles://${new URL(overlay.url, origin).href}` };
  }
  return {
    version: 8,
    sources,
    layers: [...groundLayers(city, options), ...dataLayers(options)],
  };
}

/** The same layers in other colours, as paint properties to set. */
export function paintsOf(city: City, options: StyleOptions): { layer: string; property: string; value: unknown }[] {
  return [...groundLayers(city, options), ...dataLayers(options)].flatMap((layer) =>
    Object.entries(('paint' in layer ? layer.paint : undefined) ?? {}).map(([property, value]) => ({
      layer: layer.id,
      property,
      value: value as unknown,
    })),
  );
}

function groundLayers(city: City, { theme, scale, note_px }: StyleOptions): LayerSpecification[] {
  const p = PALETTES[theme];
  const layers: LayerSpecification[] = [{ id: 'sea', type: 'background', paint: { 'background-color': p.sea } }];
  if (city.basemap !== null) layers.push(...baseLayers(p, scale));
  // Without a base map the areas themselves are the land.
  else layers.push({ id: 'area-land', type: 'fill', source: SOURCE.areas, paint: { 'fill-color': p.land } });
  layers.push(
    {
      id: 'chosen-fill',
      type: 'fill',
      source: SOURCE.chosen,
      paint: { 'fill-color': p.select, 'fill-opacity': 0.07 },
    },
    {
      id: 'village-lines',
      type: 'line',
      source: SOURCE.areas,
      filter: ['==', ['get', 'level'], 'village'],
      minzoom: 10.5,
      paint: { 'line-color': p.village, 'line-width': 0.8 * scale },
    },
    {
      id: 'district-lines',
      type: 'line',
      source: SOURCE.areas,
      filter: ['==', ['get', 'level'], 'district'],
      minzoom: 8,
      layout: { 'line-join': 'round' },
      paint: { 'line-color': p.district, 'line-width': 1.1 * scale },
    },
  );
  for (const [n, overlay] of city.overlays.entries()) {
    for (const layer of overlay.layers) layers.push({ ...layer, id: `overlay-${n}-${layer.id}`, source: `overlay-${n}` } as LayerSpecification);
  }
  layers.push({
    id: 'chosen-line',
    type: 'line',
    source: SOURCE.chosen,
    layout: { 'line-join': 'round' },
    paint: { 'line-color': p.select, 'line-width': 1.6 * scale, 'line-opacity': 0.85, 'line-dasharray': [3, 2] },
  });
  if (city.basemap !== null) layers.push(...markLayers(p, note_px, scale));
  return layers;
}

function baseLayers(p: Palette, scale: number): LayerSpecification[] {
  // Wider, it would lie over itself between small islands.
  const glow = Math.min(scale, 3.7);
  return [
    {
      id: 'depth',
      type: 'fill',
      source: 'base',
      'source-layer': 'depth',
      paint: { 'fill-color': p.deep, 'fill-opacity': 0.34, 'fill-antialias': false },
    },
    {
      id: 'coast-glow',
      type: 'line',
      source: 'base',
      'source-layer': 'land',
      layout: { 'line-join': 'round' },
      paint: { 'line-color': p.coastGlow, 'line-width': 9 * glow, 'line-blur': 7 * glow },
    },
    {
      id: 'land',
      type: 'fill',
      source: 'base',
      'source-layer': 'land',
      paint: {
        'fill-color': ['match', ['get', 'kind'], 'city', p.land, 'near', p.landNear, p.landFar] as ExpressionSpecification,
      },
    },
    {
      id: 'coast',
      type: 'line',
      source: 'base',
      'source-layer': 'land',
      paint: {
        'line-color': p.coast,
        'line-width': ['match', ['get', 'kind'], 'city', 1.1 * scale, 0.6 * scale] as ExpressionSpecification,
      },
    },
  ];
}

/** Volcano, harbour, airport, islands: quiet, and gone where data needs the place. */
function markLayers(p: Palette, note_px: number, scale: number): LayerSpecification[] {
  return [
    {
      id: 'marks',
      type: 'symbol',
      source: 'base',
      'source-layer': 'marks',
      layout: {
        'icon-image': ['concat', 'mark-', ['get', 'kind']],
        'icon-optional': true,
        'text-field': ['get', 'name'],
        'text-font': [MAP_FONT],
        'text-size': note_px * 0.94,
        'text-variable-anchor': ['top', 'bottom', 'left', 'right'],
        'text-radial-offset': 0.55,
        'text-justify': 'auto',
        'text-optional': true,
        'text-padding': 4 * scale,
        'symbol-sort-key': ['coalesce', ['get', 'rank'], 9],
      },
      paint: { 'text-color': p.mark, 'text-halo-color': p.halo, 'text-halo-width': 1.2 * scale },
    },
  ];
}

function dataLayers({ theme, scale, note_px }: StyleOptions): LayerSpecification[] {
  const p = PALETTES[theme];
  const width: ExpressionSpecification = ['*', scale, ['+', ['match', ['get', 'state'], 'growing', 3, 'emerging', 2.5, 2], ['case', ['==', ['get', 'rank'], 1], 0.8, 0]]];
  return [
    {
      id: 'hotspot-fill',
      type: 'fill',
      source: SOURCE.hotspots,
      layout: { 'fill-sort-key': ['-', 0, ['get', 'rank']] },
      paint: {
        'fill-color': ['get', 'colour'],
        'fill-opacity': ['match', ['get', 'rank'], 1, 0.42, 2, 0.28, 3, 0.24, 0.16] as ExpressionSpecification,
      },
    },
    {
      id: 'hotspot-line',
      type: 'line',
      source: SOURCE.hotspots,
      layout: { 'line-join': 'round' },
      paint: {
        'line-color': ['get', 'colour'],
        'line-width': width,
        'line-opacity': ['match', ['get', 'state'], 'cooling', 0.6, 1] as ExpressionSpecification,
        'line-width-transition': { duration: 600 },
      },
    },
    {
      id: 'area-names',
      type: 'symbol',
      source: SOURCE.areaNames,
      minzoom: 9,
      filter: ['any', ['==', ['get', 'level'], 'district'], ['>=', ['zoom'], 13.4 + Math.log2(scale)]],
      layout: {
        'text-field': ['get', 'name'],
        'text-font': [MAP_FONT],
        'text-size': ['match', ['get', 'level'], 'district', note_px, note_px * 0.92],
        'text-max-width': 7,
        'text-line-height': 1.1,
        'text-padding': 6 * scale,
        'text-variable-anchor': ['center', 'top', 'bottom', 'left', 'right'],
        'symbol-sort-key': ['match', ['get', 'level'], 'district', 0, 1],
      },
      paint: {
        'text-color': ['match', ['get', 'level'], 'district', p.nameStrong, p.name],
        'text-halo-color': p.halo,
        'text-halo-width': 1.4 * scale,
      },
    },
    {
      id: 'beacons',
      type: 'symbol',
      source: SOURCE.beacons,
      layout: {
        'icon-image': ['get', 'image'],
        'icon-allow-overlap': true,
        'icon-padding': 0,
        'symbol-sort-key': ['-', 0, ['get', 'rank']],
        'symbol-z-order': 'source',
      },
      paint: {},
    },
    {
      id: 'leaders',
      type: 'line',
      source: SOURCE.leaders,
      layout: { 'line-cap': 'round' },
      paint: { 'line-color': ['get', 'colour'], 'line-width': 1.6 * scale },
    },
    {
      id: 'items',
      type: 'symbol',
      source: SOURCE.items,
      layout: {
        'icon-image': ['get', 'image'],
        'icon-allow-overlap': true,
        'icon-padding': 0,
        'symbol-sort-key': ['get', 'order'],
        'symbol-z-order': 'source',
      },
      paint: {},
    },
    {
      id: 'here',
      type: 'circle',
      source: SOURCE.here,
      paint: { 'circle-radius': 7, 'circle-color': '#2F7DE1', 'circle-stroke-color': '#FFFFFF', 'circle-stroke-width': 3 },
    },
    {
      id: 'selected',
      type: 'circle',
      source: SOURCE.selected,
      paint: {
        'circle-radius': ['get', 'r_px'],
        'circle-color': 'rgba(0,0,0,0)',
        'circle-stroke-color': ['case', ['boolean', ['get', 'compared'], false], p.compare, p.select],
        'circle-stroke-width': 3 * scale,
      },
    },
    {
      id: 'plates',
      type: 'symbol',
      source: SOURCE.plates,
      layout: {
        'icon-image': ['get', 'image'],
        'icon-allow-overlap': true,
        'icon-padding': 2 * scale,
        'symbol-sort-key': ['get', 'rank'],
      },
      paint: {},
    },
    // Never seen: names that would be cut by the map's edge or lie under a panel give way to it, as they do to data.
    {
      id: 'clear',
      type: 'symbol',
      source: SOURCE.clear,
      layout: { 'icon-image': ['get', 'image'], 'icon-allow-overlap': true, 'icon-padding': 0 },
      paint: { 'icon-opacity': 0 },
    },
  ];
}
