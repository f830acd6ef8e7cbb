/** What a responder chose, as the page's address keeps it. Pure. */
import type { Area } from '../feed/city';
import type { FeedFilter } from '../feed/live';
import type { Query } from '../feed/http';
import { STATUSES, type Bbox, type Status } from '../feed/protocol';
import { parseBbox } from '../map/camera';

export interface Choice {
  /** Codes of districts and villages. Empty: the whole city. */
  readonly areas: readonly string[];
  /** Instead of areas. */
  readonly box: Bbox | null;
  /** Empty: all. */
  readonly categories: readonly string[];
  /** Empty: those that are open. */
  readonly statuses: readonly Status[];
  readonly contrast: boolean;
  /** The feature id of the incident that is open. */
  readonly incident: string | null;
}

/** As features are named; anything else is no incident's address. */
const ID = /^i:[0-9a-f-]+$/;

export function readChoice(query: URLSearchParams): Choice {
  const list = (key: string): string[] => (query.get(key) ?? '').split(',').filter((part) => part !== '');
  const box = parseBbox(query.get('box'));
  return {
    areas: box === null ? list('area') : [],
    box,
    categories: list('category'),
    statuses: list('status').filter((status): status is Status => STATUSES.some((one) => one === status)),
    contrast: query.get('contrast') === '1',
    incident: ID.test(query.get('incident') ?? '') ? query.get('incident') : null,
  };
}

/** Whether the list is less than all that is open. */
export function isChosen({ areas, box, categories, statuses }: Choice): boolean {
  return box !== null || areas.length + categories.length + statuses.length > 0;
}

/** `query` with the choice in it; what the choice does not know, such as `lang`, stays. */
export function writeChoice(query: URLSearchParams, choice: Choice): string {
  const next = new URLSearchParams(query);
  const set = (key: string, value: string): void => (value === '' ? next.delete(key) : next.set(key, value));
  set('area', choice.areas.join(','));
  set('box', choice.box === null ? '' : choice.box.join(','));
  set('category', choice.categories.join(','));
  set('status', choice.statuses.join(','));
  set('contrast', choice.contrast ? '1' : '');
  set('incident', choice.incident ?? '');
  // Commas stay readable: a responder sends this address to a colleague.
  return next.toString().replaceAll('%2C', ',');
}

/** A district stands for its villages: choosing it lets go of them, and one of them of the district. */
export function toggledArea(codes: ReadonlySet<string>, area: Pick<Area, 'code' | 'parent'>, areas: readonly Pick<Area, 'code' | 'parent'>[]): ReadonlySet<string> {
  const next = new Set(codes);
  if (next.delete(area.code)) return next;
  for (const { code, parent } of areas) if (parent === area.code) next.delete(code);
  if (area.parent !== null) next.delete(area.parent);
  return next.add(area.code);
}

export function boxPolygon([west, south, east, north]: Bbox): GeoJSON.Polygon {
  return { type: 'Polygon', coordinates: [[[west, south], [east, south], [east, north], [west, north], [west, south]]] };
}

export function toFeedFilter(choice: Choice): FeedFilter {
  return {
    ...(choice.areas.length > 0 && { area: choice.areas }),
    ...(choice.box !== null && { within: boxPolygon(choice.box) }),
    ...(choice.categories.length > 0 && { category: choice.categories }),
    ...(choice.statuses.length > 0 && { status: choice.statuses }),
  };
}

export function toQuery(choice: Choice): Query {
  return {
    area: choice.areas.join(','),
    within: choice.box === null ? '' : JSON.stringify(boxPolygon(choice.box)),
    category: choice.categories.join(','),
    status: choice.statuses.join(','),
  };
}
