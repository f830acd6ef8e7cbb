/** One incident in full, and what staff may do with it. */
import { getJson, postJson } from '../feed/http';
import { decodeItem, object, type Incident, type Status } from '../feed/protocol';

export interface LogLine {
  readonly atMs: number | null;
  readonly action: string;
  readonly note: string;
}

export interface Details {
  readonly incident: Incident;
  readonly log: readonly LogLine[];
  readonly texts: readonly { readonly atMs: number | null; readonly text: string }[];
}

export const ACTIONS = ['verify', 'start', 'resolve', 'reject'] as const;
export type Action = (typeof ACTIONS)[number];

/** The next steps that the table of transitions allows. */
export function actionsFor(status: Status): readonly Action[] {
  switch (status) {
    case 'new':
      return ['verify', 'reject'];
    case 'verified':
      return ['start', 'reject'];
    case 'in_progress':
      return ['resolve'];
    default:
      return [];
  }
}

export async function getDetails(id: string): Promise<Details> {
  return decodeDetails(await getJson(`/api/v1/incidents/${bare(id)}`));
}

export async function act(incident: Incident, action: Action, reason: string): Promise<Details> {
  return decodeDetails(
    await postJson(`/api/v1/incidents/${bare(incident.id)}/${action}`, {
      ...(incident.version !== null && { version: incident.version }),
      ...(reason !== '' && { reason }),
    }),
  );
}

function bare(id: string): string {
  return id.replace(/^i:/, '');
}

function decodeDetails(value: unknown): Details {
  const item = decodeItem(value);
  if (item.kind !== 'incident') throw new Error(`${item.id} is not an incident`);
  const p = object(object(value, 'incident').properties, 'properties');
  return {
    incident: item,
    log: rows(p.log).map((row) => ({ atMs: timeOf(row), action: textOf(row, 'action', 'kind', 'status'), note: textOf(row, 'note', 'reason') })),
    texts: rows(p.text_reports)
      .map((row) => ({ atMs: timeOf(row), text: textOf(row, 'text', 'description') }))
      .filter(({ text }) => text !== ''),
  };
}

function rows(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.map((row) => (typeof row === 'string' ? { text: row } : object(row, 'row')));
}

function timeOf(row: Record<string, unknown>): number | null {
  const ms = Date.parse(textOf(row, 'at', 'time', 'occurred_at'));
  return Number.isNaN(ms) ? null : ms;
}

function textOf(row: Record<string, unknown>, ...keys: string[]): string {
  for (const key of keys) if (typeof row[key] === 'string') return row[key];
  return '';
}
