/** One incident in full, and what staff may do with it. */
import { getJson, postJson } from '../feed/http';
import { decodeItem, list, object, oneOf, STATUSES, time, type Incident, type Status } from '../feed/protocol';
import { decodePhotos, type Photo } from '../photos/photo';
import type { May } from '../ui/may';

/** One report of the incident, in the reporter's words. */
export interface Said {
  readonly atMs: number;
  readonly text: string;
}

/** One step that somebody took. */
export interface Step {
  readonly atMs: number;
  readonly from: Status;
  readonly to: Status;
  readonly note: string;
}

export interface Details {
  readonly incident: Incident;
  readonly said: readonly Said[];
  readonly steps: readonly Step[];
  readonly photos: readonly Photo[];
  /** It is not resolved without a photo of the repair, and there is none yet. */
  readonly repairPhoto: boolean;
}

/** What a rejected incident was. */
export const DISPOSITIONS = ['duplicate', 'information', 'ghost', 'prank', 'out_of_area', 'invalid'] as const;
export type Disposition = (typeof DISPOSITIONS)[number];

export const ACTIONS = ['verify', 'start', 'resolve', 'reject'] as const;
export type Action = (typeof ACTIONS)[number];

/** The next steps that the table of transitions allows, and that whoever looks may take. */
export function actionsFor(status: Status, may: May): readonly Action[] {
  return nextSteps(status).filter((action) => may[action] !== undefined);
}

function nextSteps(status: Status): readonly Action[] {
  switch (status) {
    case 'new':
      return ['verify', 'reject'];
    case 'verified':
      return ['start', 'resolve', 'reject'];
    case 'in_progress':
      return ['resolve', 'reject'];
    default:
      return [];
  }
}

export async function getDetails(id: string): Promise<Details> {
  return decodeDetails(await getJson(`/api/v1/incidents/${bare(id)}`));
}

export async function act(incident: Incident, action: Action, reason: string, disposition: Disposition | null): Promise<Details> {
  return decodeDetails(
    await postJson(`/api/v1/incidents/${bare(incident.id)}/${action}`, {
      ...(incident.version !== null && { version: incident.version }),
      ...(reason !== '' && { reason }),
      ...(disposition !== null && { disposition }),
    }),
  );
}

function bare(id: string): string {
  return id.replace(/^i:/, '');
}

export function decodeDetails(value: unknown): Details {
  const item = decodeItem(value);
  if (item.kind !== 'incident') throw new Error(`${item.id} is not an incident`);
  const p = object(object(value, 'incident').properties, 'properties');
  const log = list(p.log ?? [], 'log').map((line) => object(line, 'log line'));
  return {
    incident: item,
    photos: decodePhotos(p.photos),
    repairPhoto: p.repair_photo === true,
    said: log.flatMap((line) => {
      if (line.kind !== 'report' || typeof line.description !== 'string' || line.description === '') return [];
      return [{ atMs: time(line.at, 'at'), text: line.description }];
    }),
    steps: log.flatMap((line) => {
      if (line.kind !== 'action') return [];
      const note = typeof line.note === 'string' ? line.note : '';
      return [{ atMs: time(line.at, 'at'), from: oneOf(STATUSES, line.from, 'from'), to: oneOf(STATUSES, line.to, 'to'), note }];
    }),
  };
}
