/** What the city pack says: names, colours, view, time zone, areas. Read once at the start of a page. */
import type { LayerSpecification } from 'maplibre-gl';
import { getJson, type Query } from './http';
import { list, localized, number, object, point, string, type Bbox, type Lang, type LngLat, type Localized } from './protocol';

export interface Category {
  readonly key: string;
  readonly name: Localized;
  readonly icon: string;
  readonly colour: { readonly dark: string; readonly day: string };
  readonly agency: string | null;
  /** Its exact places and photos are never the public's. */
  readonly sensitive?: boolean;
}

export interface Agency {
  readonly key: string;
  readonly name: Localized;
  readonly short: Localized;
}

export interface Overlay {
  readonly url: string;
  /** MapLibre layers without their source. */
  readonly layers: readonly LayerSpecification[];
}

export interface City {
  readonly key: string;
  readonly name: Localized;
  readonly centre: LngLat;
  readonly zoom: { readonly min: number; readonly start: number; readonly max: number };
  readonly bounds: Bbox | null;
  readonly timeZone: string;
  readonly timeZoneLabel: string;
  readonly languages: readonly Lang[];
  readonly attribution: string;
  readonly basemap: string | null;
  readonly overlays: readonly Overlay[];
  readonly categories: readonly Category[];
  readonly agencies: readonly Agency[];
  readonly mode: 'live' | 'replay';
  readonly projection: 'public' | 'responder' | 'staff';
  readonly build: string;
}

export type AreaLevel = 'city' | 'district' | 'village';

export interface Area {
  readonly code: string;
  readonly name: string;
  readonly level: AreaLevel;
  readonly parent: string | null;
  readonly approximate: boolean;
  readonly label: LngLat;
  readonly geometry: GeoJSON.Polygon | GeoJSON.MultiPolygon;
}

export async function getCity(query: Query = {}): Promise<City> {
  return decodeCity(await getJson('/api/v1/city', query));
}

export async function getAreas(query: Query = {}): Promise<readonly Area[]> {
  const o = object(await getJson('/api/v1/areas', query), 'areas');
  return list(o.features, 'features').map(decodeArea);
}

export function decodeCity(value: unknown): City {
  const o = object(value, 'city');
  const zoom = object(o.zoom, 'zoom');
  const bounds = o.bounds == null ? null : list(o.bounds, 'bounds').map((n) => number(n, 'bounds'));
  return {
    key: string(o.key, 'key'),
    name: localized(o.name, 'name'),
    centre: point(o.centre, 'centre'),
    zoom: { min: number(zoom.min, 'zoom.min'), start: number(zoom.start, 'zoom.start'), max: number(zoom.max, 'zoom.max') },
    bounds: bounds === null ? null : (bounds as unknown as Bbox),
    timeZone: string(o.time_zone, 'time_zone'),
    timeZoneLabel: string(o.time_zone_label, 'time_zone_label'),
    languages: list(o.languages, 'languages').filter((l): l is Lang => l === 'id' || l === 'en'),
    attribution: string(o.attribution ?? '', 'attribution'),
    basemap: o.basemap == null ? null : string(o.basemap, 'basemap'),
    overlays: list(o.overlays ?? [], 'overlays').map((one) => {
      const overlay = object(one, 'overlay');
      return { url: string(overlay.url, 'overlay.url'), layers: list(overlay.layers, 'overlay.layers') as LayerSpecification[] };
    }),
    categories: list(o.categories, 'categories').map(decodeCategory),
    agencies: list(o.agencies ?? [], 'agencies').map((one) => {
      const agency = object(one, 'agency');
      const name = localized(agency.name, 'agency.name');
      return { key: string(agency.key, 'agency.key'), name, short: agency.short == null ? name : localized(agency.short, 'agency.short') };
    }),
    mode: o.mode === 'replay' ? 'replay' : 'live',
    projection: o.projection === 'staff' || o.projection === 'responder' ? o.projection : 'public',
    build: string(o.build ?? '', 'build'),
  };
}

function decodeCategory(value: unknown): Category {
  const o = object(value, 'category');
  const colour = object(o.colour, 'colour');
  return {
    key: string(o.key, 'key'),
    name: localized(o.name, 'name'),
    icon: string(o.icon ?? '', 'icon'),
    colour: { dark: string(colour.dark, 'colour.dark'), day: string(colour.day, 'colour.day') },
    agency: o.agency == null ? null : string(o.agency, 'agency'),
    ...(o.sensitive === true && { sensitive: true }),
  };
}

function decodeArea(value: unknown): Area {
  const o = object(value, 'area');
  const p = object(o.properties, 'area properties');
  const level = p.level === 'city' || p.level === 'district' ? p.level : 'village';
  return {
    code: string(p.code, 'code'),
    name: string(p.name, 'name'),
    level,
    parent: p.parent == null ? null : string(p.parent, 'parent'),
    approximate: p.approximate === true,
    label: point(p.label, 'label'),
    geometry: object(o.geometry, 'geometry') as unknown as GeoJSON.Polygon | GeoJSON.MultiPolygon,
  };
}
