/** The shift log: what one shift writes down for the next. Decoded where it arrives. */
import { getJson, postJson } from '../feed/http';
import { list, number, object, string, time } from '../feed/protocol';
import { Drafts } from '../ui/drafts';

export const KINDS = ['note', 'handover'] as const;
export type Kind = (typeof KINDS)[number];

export interface LogEntry {
  readonly seq: number;
  readonly atMs: number;
  readonly actor: string;
  readonly kind: Kind;
  readonly text: string;
}

const LOG = '/api/v1/shift-log';
const LIMIT = 200;

export function decodeEntry(value: unknown): LogEntry {
  const o = object(value, 'entry');
  return {
    seq: number(o.seq, 'seq'),
    atMs: time(o.at, 'at'),
    actor: typeof o.actor === 'string' ? o.actor : '',
    kind: o.kind === 'handover' ? 'handover' : 'note',
    text: string(o.text, 'text'),
  };
}

/** The newest first. */
export async function readLog(): Promise<readonly LogEntry[]> {
  const o = object(await getJson(LOG, { limit: LIMIT }), 'shift log');
  return list(o.entries, 'entries').map(decodeEntry).sort((a, b) => b.seq - a.seq);
}

export async function write(kind: Kind, text: string): Promise<void> {
  await postJson(LOG, { kind, text });
}

/** The newest handover: where the shift that runs began. */
export function shiftBegan(entries: readonly LogEntry[]): LogEntry | null {
  return entries.find(({ kind }) => kind === 'handover') ?? null;
}

/** Since when the shift that runs has been on duty: the last handover, or so many hours ago where none is near. */
export function shiftSince(entries: readonly LogEntry[], nowMs: number): number {
  const began = shiftBegan(entries);
  return began === null ? nowMs - 12 * 3_600_000 : began.atMs;
}

const drafts = new Drafts('pantau.handover');

export function draft(kind: Kind): string {
  return drafts.read(kind);
}

export function keepDraft(kind: Kind, text: string): void {
  drafts.keep(kind, text);
}
