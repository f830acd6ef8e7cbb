/** The situation report, decoded where it arrives. */
import { decodeEntry, type LogEntry } from '../handover/log';
import { getIncidents, getJson } from '../feed/http';
import { decodeHotspot, decodeItem, decodeStats, list, localized, number, object, string, time, type Hotspot, type Incident, type Localized, type Stats } from '../feed/protocol';
import { stamp, type Span } from './span';

/** Some incidents, and how many there are. */
export interface Listed {
  readonly total: number;
  readonly incidents: readonly Incident[];
}

export interface OnDuty {
  readonly name: string;
  readonly role: string | null;
  /** How often they acted in the period. */
  readonly acts: number;
}

export interface Situation {
  readonly seq: number;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly preparedAtMs: number;
  readonly preparedBy: string;
  readonly summary: Localized;
  /** At the end and at the beginning of the period. */
  readonly now: Stats;
  readonly before: Stats;
  readonly opened: Listed;
  readonly resolved: Listed;
  readonly rejected: Listed;
  readonly newlyOverdue: Listed;
  readonly open: Listed;
  readonly overdue: Listed;
  readonly hotspots: readonly Hotspot[];
  /** Oldest first. */
  readonly log: readonly LogEntry[];
  readonly people: readonly OnDuty[];
}

export function decodeSituation(json: unknown): Situation {
  const o = object(json, 'sitrep');
  const changes = object(o.changes, 'changes');
  return {
    seq: number(o.seq, 'seq'),
    sinceMs: time(o.since, 'since'),
    untilMs: time(o.until, 'until'),
    preparedAtMs: time(o.prepared_at, 'prepared_at'),
    preparedBy: nameOf(object(o.prepared_by, 'prepared_by')),
    summary: localized(o.summary, 'summary'),
    now: decodeStats(o.now),
    before: decodeStats(o.before),
    opened: decodeListed(changes.opened, 'opened'),
    resolved: decodeListed(changes.resolved, 'resolved'),
    rejected: decodeListed(changes.rejected, 'rejected'),
    newlyOverdue: decodeListed(changes.newly_overdue, 'newly_overdue'),
    open: decodeListed(o.open, 'open'),
    overdue: decodeListed(o.overdue, 'overdue'),
    hotspots: list(o.hotspots, 'hotspots').map(decodeHotspot),
    log: list(o.log, 'log').map(decodeEntry),
    people: list(o.people, 'people').map((value) => {
      const person = object(value, 'person');
      return { name: nameOf(person), role: typeof person.role === 'string' ? person.role : null, acts: number(person.acts ?? 0, 'acts') };
    }),
  };
}

function nameOf(person: Record<string, unknown>): string {
  return typeof person.full_name === 'string' && person.full_name !== '' ? person.full_name : string(person.name ?? '', 'name');
}

function decodeListed(value: unknown, what: string): Listed {
  const o = object(value, what);
  const incidents = list(o.incidents, `${what}.incidents`)
    .map(decodeItem)
    .filter((item): item is Incident => item.kind === 'incident');
  return { total: number(o.total, `${what}.total`), incidents };
}

/** As many as a picture can hold. */
const DRAWN_MAX = 1_000;

/** What is asked for; the answer says which span it is about. */
export async function readSituation({ sinceMs, untilMs }: Span, drill: boolean): Promise<Situation> {
  const query = { since: sinceMs === null ? undefined : stamp(sinceMs), until: untilMs === null ? undefined : stamp(untilMs), drill: drill ? 'true' : undefined };
  return decodeSituation(await getJson('/api/v1/sitrep', query));
}

/** The open ones at the end of it, for the picture: the report itself lists only some. */
export async function readDrawn(situation: Situation, drill: boolean): Promise<readonly Incident[]> {
  if (situation.open.total <= situation.open.incidents.length) return situation.open.incidents;
  const page = await getIncidents({ limit: DRAWN_MAX, drill: String(drill), at: stamp(situation.untilMs) });
  return page.incidents;
}
