/**
 * The words of the live socket `pantau.v1`, decoded and checked once, here.
 *
 * Everything behind `decodeFrame` may trust its types. Fields that this version does not know are ignored, so
 * a newer server may add some; a field that is missing or of another type makes the frame an error.
 */

export type Lang = 'id' | 'en';
export type Localized = Readonly<Record<Lang, string>>;
export type LngLat = readonly [lng: number, lat: number];
export type Bbox = readonly [west: number, south: number, east: number, north: number];
export type Counts = Readonly<Record<string, number>>;

export const STATUSES = ['new', 'verified', 'in_progress', 'resolved', 'rejected'] as const;
export type Status = (typeof STATUSES)[number];

export const HOTSPOT_STATES = ['emerging', 'growing', 'steady', 'cooling', 'ended'] as const;
export type HotspotState = (typeof HOTSPOT_STATES)[number];

export const CLOCK_STATES = ['ok', 'soon', 'late', 'paused'] as const;
export type ClockState = (typeof CLOCK_STATES)[number];

/** The clock of the step that an incident waits for. Staff alone see it. */
export interface Clock {
  /** As the server names it: `verify`, `assign`, `start`, `resolve`. */
  readonly step: string;
  readonly state: ClockState;
  readonly dueAtMs: number | null;
  /** Soon from then on. */
  readonly warnAtMs: number | null;
  /** Who was told: 0 the operators, 1 the supervisor, 2 the head. */
  readonly escalation: number;
  readonly paused: { readonly atMs: number; readonly by: string; readonly note: string } | null;
}

export interface Incident {
  readonly kind: 'incident';
  /** The feature's id, `i:` and the bare id. */
  readonly id: string;
  readonly at: LngLat;
  readonly category: string;
  readonly status: Status;
  readonly reports: number;
  readonly title: Localized | null;
  readonly area: string | null;
  readonly agency: string | null;
  readonly openedAtMs: number;
  readonly updatedAtMs: number;
  readonly dueAtMs: number | null;
  readonly overdue: boolean;
  readonly drill: boolean;
  readonly version: number | null;
  /** How many people reported it, where the server counts them. */
  readonly reporters?: number;
  /** Its agency gave it back, and nobody has it since. */
  readonly returned?: boolean;
  readonly clock?: Clock;
}

export interface Cluster {
  readonly kind: 'cluster';
  readonly id: string;
  readonly at: LngLat;
  readonly count: number;
  readonly reports: number;
  readonly byCategory: Counts;
  readonly overdue: number;
  readonly expandZoom: number | null;
}

export type MapItem = Incident | Cluster;

export interface Hotspot {
  readonly kind: 'hotspot';
  readonly id: string;
  readonly outline: GeoJSON.Polygon | GeoJSON.MultiPolygon;
  readonly centroid: LngLat;
  /** A category's key, or `all`. */
  readonly category: string;
  readonly state: HotspotState;
  readonly trend: number | null;
  readonly reports: number;
  readonly reporters: number;
  readonly name: Localized;
  readonly why: Localized;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly drill: boolean;
}

/** One area has far more reports of one category today than usual. */
export interface Surge {
  readonly kind: 'surge';
  /** `a:` and the area's code. */
  readonly id: string;
  readonly category: string;
  readonly area: string;
  readonly name: Localized;
  readonly reports: number;
  readonly reporters: number;
  /** On one of the seven days before, on average. */
  readonly usual: number;
  readonly drill: boolean;
}

export interface Stats {
  readonly total: number;
  readonly byCategory: Counts;
  readonly byStatus: Counts;
  readonly overdue: number;
  readonly openedToday: number;
  readonly resolvedToday: number;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly status: number;
  /** What of the body or the query is wrong, by its name. */
  readonly fields?: readonly string[];
}

export interface Hello {
  readonly type: 'hello';
  readonly epoch: string;
  readonly seq: number;
  readonly projection: string;
  readonly heartbeatS: number;
  readonly nowMs: number;
  readonly speed: number;
  readonly build: string;
  /** New reports may be missing from what is shown. */
  readonly degraded: boolean;
  /** False: the server cannot know whether what it shows is the newest, until a heartbeat says that it is. */
  readonly inTouch: boolean;
  /** This socket may say where its reader is, and is told of the others. */
  readonly presence: boolean;
}

export interface Snapshot {
  readonly type: 'snapshot';
  readonly id: string;
  readonly view: string;
  readonly seq: number;
  /** Of the tiles that are the clusters' cells. */
  readonly level: number;
  readonly features: readonly MapItem[];
  readonly hotspots: readonly Hotspot[];
  readonly stats: Stats | null;
  readonly reason: string;
}

export interface Delta {
  readonly type: 'delta';
  readonly id: string;
  readonly view: string;
  readonly from: number;
  readonly seq: number;
  readonly upsert: readonly MapItem[];
  readonly remove: readonly string[];
  readonly hotspotUpsert: readonly Hotspot[];
  readonly hotspotRemove: readonly string[];
  readonly stats: Stats | null;
}

export interface Alarm {
  readonly type: 'alarm';
  readonly id: string;
  readonly kind: string;
  readonly seq: number;
  readonly title: Localized;
  readonly hotspot: Hotspot | null;
  readonly surge: Surge | null;
  /** Of what is late. */
  readonly incident: Incident | null;
  /** Of what is late, who is told: 0 whoever is on duty, 1 the supervisor, 2 the head. */
  readonly level: number;
}

export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly seq: number;
  readonly timeMs: number;
  /** How fast the server's clock runs now: a replay's may be set at any time. */
  readonly speed: number;
  readonly degraded: boolean;
}

export interface ErrorFrame {
  readonly type: 'error';
  readonly id: string | null;
  readonly problem: Problem;
}

/** Somebody of the staff who is signed in. */
export interface Person {
  /** The account's name. */
  readonly who: string;
  /** As people call them. */
  readonly name: string;
  /** The feature's id of the incident that they are at. */
  readonly incident: string | null;
  readonly editing: boolean;
  readonly sinceMs: number;
}

export interface PresenceFrame {
  readonly type: 'presence';
  readonly people: readonly Person[];
}

export type Frame = PresenceFrame | Hello | Snapshot | Delta | Alarm | Heartbeat | ErrorFrame | { readonly type: 'pong' };

export class DecodeError extends Error {}

/** Decodes one text frame. `null`: a type that this version does not know. Throws `DecodeError`. */
export function decodeFrame(text: string): Frame | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new DecodeError('the frame is not JSON');
  }
  const o = object(json, 'frame');
  switch (o.type) {
    case 'hello':
      return {
        type: 'hello',
        epoch: string(o.epoch, 'epoch'),
        seq: number(o.seq, 'seq'),
        projection: string(o.projection, 'projection'),
        heartbeatS: number(o.heartbeat_s, 'heartbeat_s'),
        nowMs: time(o.now, 'now'),
        speed: number(o.speed ?? 1, 'speed'),
        build: string(o.build, 'build'),
        degraded: o.degraded === true,
        inTouch: o.in_touch !== false,
        presence: o.presence === true,
      };
    case 'snapshot':
      return {
        type: 'snapshot',
        id: string(o.id, 'id'),
        view: string(o.view, 'view'),
        seq: number(o.seq, 'seq'),
        level: number(o.level, 'level'),
        features: optionalList(o.features, 'features').map(decodeItem),
        hotspots: optionalList(o.hotspots, 'hotspots').map(decodeHotspot),
        stats: o.stats == null ? null : decodeStats(o.stats),
        reason: string(o.reason ?? 'subscribed', 'reason'),
      };
    case 'delta': {
      const hotspots = o.hotspots == null ? {} : object(o.hotspots, 'hotspots');
      return {
        type: 'delta',
        id: string(o.id, 'id'),
        view: string(o.view, 'view'),
        from: number(o.from, 'from'),
        seq: number(o.seq, 'seq'),
        upsert: optionalList(o.upsert, 'upsert').map(decodeItem),
        remove: optionalList(o.remove, 'remove').map((id) => string(id, 'remove')),
        hotspotUpsert: optionalList(hotspots.upsert, 'hotspots.upsert').map(decodeHotspot),
        hotspotRemove: optionalList(hotspots.remove, 'hotspots.remove').map((id) => string(id, 'hotspots.remove')),
        stats: o.stats == null ? null : decodeStats(o.stats),
      };
    }
    case 'alarm': {
      const feature = o.feature == null ? null : object(o.feature, 'feature');
      const about = feature === null ? null : object(feature.properties, 'feature.properties').kind;
      const incident = about === 'incident' ? decodeItem(feature) : null;
      return {
        type: 'alarm',
        id: string(o.id, 'id'),
        kind: string(o.kind, 'kind'),
        seq: number(o.seq, 'seq'),
        title: localized(o.title, 'title'),
        hotspot: about === 'hotspot' ? decodeHotspot(feature) : null,
        surge: about === 'surge' ? decodeSurge(feature) : null,
        incident: incident?.kind === 'incident' ? incident : null,
        level: number(o.level ?? 0, 'level'),
      };
    }
    case 'heartbeat':
      return {
        type: 'heartbeat',
        seq: number(o.seq, 'seq'),
        timeMs: time(o.time, 'time'),
        speed: number(o.speed, 'speed'),
        degraded: o.degraded === true,
      };
    case 'error':
      return { type: 'error', id: typeof o.id === 'string' ? o.id : null, problem: decodeProblem(o.problem) };
    case 'presence':
      return { type: 'presence', people: list(o.people, 'people').map(decodePerson) };
    case 'pong':
      return { type: 'pong' };
    default:
      return null;
  }
}

/** An incident or a cluster, as the socket and the GeoJSON answers write it. */
export function decodeItem(value: unknown): MapItem {
  const { id, geometry, p } = feature(value);
  const at = point(geometry.coordinates, `${id} coordinates`);
  if (p.kind === 'cluster') {
    return {
      kind: 'cluster',
      id,
      at,
      count: number(p.count, 'count'),
      reports: number(p.reports ?? p.count, 'reports'),
      byCategory: counts(p.by_category, 'by_category'),
      overdue: number(p.overdue ?? 0, 'overdue'),
      expandZoom: p.expand_zoom == null ? null : number(p.expand_zoom, 'expand_zoom'),
    };
  }
  if (p.kind !== 'incident') throw new DecodeError(`${id} is neither a cluster nor an incident`);
  const openedAtMs = time(p.opened_at, 'opened_at');
  return {
    kind: 'incident',
    id,
    at,
    category: string(p.category, 'category'),
    status: oneOf(STATUSES, p.status, 'status'),
    reports: number(p.reports ?? 1, 'reports'),
    title: p.title == null ? null : localized(p.title, 'title'),
    area: p.area == null ? null : string(p.area, 'area'),
    agency: p.agency == null ? null : string(p.agency, 'agency'),
    openedAtMs,
    updatedAtMs: p.updated_at == null ? openedAtMs : time(p.updated_at, 'updated_at'),
    dueAtMs: p.due_at == null ? null : time(p.due_at, 'due_at'),
    overdue: p.overdue === true,
    drill: p.drill === true,
    version: p.version == null ? null : number(p.version, 'version'),
    ...(p.reporters != null && { reporters: number(p.reporters, 'reporters') }),
    ...(p.returned === true && { returned: true }),
    ...(p.clock != null && { clock: decodeClock(p.clock) }),
  };
}

function decodeClock(value: unknown): Clock {
  const o = object(value, 'clock');
  const paused = o.paused == null ? null : object(o.paused, 'clock.paused');
  const text = (one: unknown): string => (typeof one === 'string' ? one : '');
  return {
    step: string(o.step, 'clock.step'),
    state: oneOf(CLOCK_STATES, o.state, 'clock.state'),
    dueAtMs: o.due_at == null ? null : time(o.due_at, 'clock.due_at'),
    warnAtMs: o.warn_at == null ? null : time(o.warn_at, 'clock.warn_at'),
    escalation: number(o.escalation ?? 0, 'clock.escalation'),
    paused: paused === null ? null : { atMs: time(paused.at, 'clock.paused.at'), by: text(paused.by), note: text(paused.note) },
  };
}

export function decodeHotspot(value: unknown): Hotspot {
  const { id, geometry, p } = feature(value);
  if (geometry.type !== 'Polygon' && geometry.type !== 'MultiPolygon') {
    throw new DecodeError(`hotspot ${id} has an outline of type ${String(geometry.type)}`);
  }
  return {
    kind: 'hotspot',
    id,
    outline: geometry as unknown as GeoJSON.Polygon | GeoJSON.MultiPolygon,
    centroid: point(p.centroid, 'centroid'),
    category: string(p.category, 'category'),
    state: oneOf(HOTSPOT_STATES, p.state, 'state'),
    trend: p.trend == null ? null : number(p.trend, 'trend'),
    reports: number(p.reports, 'reports'),
    reporters: number(p.reporters ?? 0, 'reporters'),
    name: localized(p.name, 'name'),
    why: localized(p.why, 'why'),
    firstAtMs: time(p.first_at, 'first_at'),
    lastAtMs: time(p.last_at, 'last_at'),
    drill: p.drill === true,
  };
}

function decodeSurge(value: unknown): Surge {
  const { id, p } = feature(value);
  return {
    kind: 'surge',
    id,
    category: string(p.category, 'category'),
    area: string(p.area, 'area'),
    name: localized(p.name, 'name'),
    reports: number(p.reports, 'reports'),
    reporters: number(p.reporters, 'reporters'),
    usual: number(p.usual, 'usual'),
    drill: p.drill === true,
  };
}

function decodePerson(value: unknown): Person {
  const o = object(value, 'person');
  return {
    who: string(o.who, 'who'),
    name: string(o.name, 'name'),
    incident: o.incident === null ? null : `i:${string(o.incident, 'incident')}`,
    editing: o.editing === true,
    sinceMs: time(o.since, 'since'),
  };
}

export function decodeStats(value: unknown): Stats {
  const o = object(value, 'stats');
  return {
    total: number(o.total, 'total'),
    byCategory: counts(o.by_category, 'by_category'),
    byStatus: counts(o.by_status, 'by_status'),
    overdue: number(o.overdue, 'overdue'),
    openedToday: number(o.opened_today, 'opened_today'),
    resolvedToday: number(o.resolved_today, 'resolved_today'),
  };
}

/** RFC 9457. Never throws: an error about an error helps nobody. */
export function decodeProblem(value: unknown): Problem {
  const o = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const text = (v: unknown): string => (typeof v === 'string' ? v : '');
  return {
    type: text(o.type) || 'about:blank',
    title: text(o.title),
    detail: text(o.detail),
    status: typeof o.status === 'number' ? o.status : 0,
    ...(Array.isArray(o.errors) && { fields: o.errors.map((one: unknown) => text((one as { pointer?: unknown } | null)?.pointer).replace(/^\//, '')) }),
  };
}

type Json = Record<string, unknown>;

function feature(value: unknown): { id: string; geometry: Json; p: Json } {
  const o = object(value, 'feature');
  return {
    id: string(o.id, 'feature id'),
    geometry: object(o.geometry, 'geometry'),
    p: object(o.properties, 'properties'),
  };
}

export function object(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new DecodeError(`${what} is not an object`);
  return value as Json;
}

export function string(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new DecodeError(`${what} is not a string`);
  return value;
}

export function number(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new DecodeError(`${what} is not a number`);
  return value;
}

export function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new DecodeError(`${what} is not a list`);
  return value;
}

function optionalList(value: unknown, what: string): unknown[] {
  return value == null ? [] : list(value, what);
}

export function time(value: unknown, what: string): number {
  const ms = Date.parse(string(value, what));
  if (Number.isNaN(ms)) throw new DecodeError(`${what} is not a time`);
  return ms;
}

function counts(value: unknown, what: string): Counts {
  const o = object(value, what);
  for (const key of Object.keys(o)) number(o[key], `${what}.${key}`);
  return o as Counts;
}

export function localized(value: unknown, what: string): Localized {
  const o = object(value, what);
  return { id: string(o.id, `${what}.id`), en: string(o.en, `${what}.en`) };
}

export function point(value: unknown, what: string): LngLat {
  const [lng, lat] = list(value, what);
  return [number(lng, what), number(lat, what)];
}

export function oneOf<T extends string>(all: readonly T[], value: unknown, what: string): T {
  const found = all.find((one) => one === value);
  if (found === undefined) throw new DecodeError(`${what} is ${String(value)}`);
  return found;
}
