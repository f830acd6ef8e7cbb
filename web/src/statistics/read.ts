/** What the city publishes of its own speed, decoded where it arrives. */
import { address, getJson, type Query } from '../feed/http';
import { list, localized, number, object, string, type Localized } from '../feed/protocol';

export const STEPS = ['verify', 'assign', 'start', 'resolve'] as const;
export type Step = (typeof STEPS)[number];

export const GROUPINGS = ['agency', 'category', 'area', 'month'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Seconds from opening to the step; null where no incident of the group came that far. */
export type StepTimes = Readonly<Record<Step, number | null>>;

export interface Group {
  /** Empty for those that belong nowhere: no agency, no area. */
  readonly key: string;
  readonly name: Localized;
  readonly incidents: number;
  readonly resolved: number;
  readonly onTime: number;
  /** Resolved too late, or past their deadline and open. */
  readonly late: number;
  /** How many have a deadline of the whole at all: of the others nobody can say whether they were in time. */
  readonly withDeadline: number;
  readonly medianS: StepTimes;
  readonly p90S: StepTimes;
}

export interface Statistics {
  readonly groups: readonly Group[];
  readonly total: Group;
  /** Of sensitive categories the public is shown no group of fewer than this; null where nothing is held back. */
  readonly fewest: number | null;
}

const EVERYTHING: Localized = { id: 'Seluruh kota', en: 'The whole city' };

/** Both are days, `2026-09-01`; absent: open at that end. */
export interface Period {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

export function decodeStatistics(json: unknown): Statistics {
  const o = object(json, 'statistics');
  return { groups: list(o.groups, 'groups').map(decodeGroup), total: decodeGroup(o.total), fewest: o.fewest == null ? null : number(o.fewest, 'fewest') };
}

function decodeGroup(value: unknown): Group {
  const o = object(value, 'group');
  return {
    key: o.key == null ? '' : string(o.key, 'key'),
    name: o.name == null ? EVERYTHING : localized(o.name, 'name'),
    incidents: number(o.incidents, 'incidents'),
    resolved: number(o.resolved, 'resolved'),
    onTime: number(o.on_time, 'on_time'),
    late: number(o.late, 'late'),
    withDeadline: number(o.with_deadline, 'with_deadline'),
    medianS: times(o.median_s, 'median_s'),
    p90S: times(o.p90_s, 'p90_s'),
  };
}

function times(value: unknown, what: string): StepTimes {
  const o = object(value, what);
  const one = (step: Step): number | null => (o[step] == null ? null : number(o[step], `${what}.${step}`));
  return { verify: one('verify'), assign: one('assign'), start: one('start'), resolve: one('resolve') };
}

const ANSWER = '/api/v1/statistics';

/** Whoever reads: the city is judged by what everybody may see. */
function query(by: Grouping, { since, until }: Period): Query {
  return { by, since, until, projection: 'public' };
}

export async function getStatistics(by: Grouping, period: Period): Promise<Statistics> {
  return decodeStatistics(await getJson(ANSWER, query(by, period)));
}

/** Where the same figures are as a table for a spreadsheet. */
export function csvAddress(by: Grouping, period: Period): string {
  return address(`${ANSWER}.csv`, query(by, period));
}

/** 0 to 1, of what is resolved or past its deadline; null where nothing is. */
export function shareOnTime({ onTime, late }: Pick<Group, 'onTime' | 'late'>): number | null {
  return onTime + late === 0 ? null : onTime / (onTime + late);
}

/** Incidents there are, and not one that could be in time. */
export function hasNoDeadline({ incidents, withDeadline }: Pick<Group, 'incidents' | 'withDeadline'>): boolean {
  return incidents > 0 && withDeadline === 0;
}

/** Those with the most incidents first; months stay in their order. */
export function ordered(by: Grouping, groups: readonly Group[]): readonly Group[] {
  return by === 'month' ? [...groups].sort((a, b) => a.key.localeCompare(b.key)) : [...groups].sort((a, b) => b.incidents - a.incidents || a.key.localeCompare(b.key));
}
