/** One incident with all that is known of it: what was reported, what was done, what was joined into it. */
import { getJson, postJson } from '../feed/http';
import { decodeItem, list, localized, number, object, oneOf, STATUSES, string, time, type Incident, type Localized, type Status } from '../feed/protocol';
import { decodePhotos, type AddedKind, type Photo } from '../photos/photo';
import { leaving } from './leaving';
import { DISPOSITIONS, type Action, type Disposition } from './transitions';

/** One report of the incident, in the reporter's words. */
export interface Said {
  readonly seq: number;
  readonly atMs: number;
  readonly occurredAtMs: number;
  readonly code: string;
  readonly channel: string;
  readonly text: string;
  /** Of one that came with another incident: which that was, by its bare id. */
  readonly from: string | null;
}

/** One step that somebody took. */
export interface Step {
  readonly seq: number;
  readonly atMs: number;
  /** As the server names it, also one that this page does not know. */
  readonly action: string;
  readonly from: Status;
  readonly to: Status;
  readonly agency: string | null;
  readonly actor: string;
  readonly note: string;
  readonly disposition: Disposition | null;
  /** A note that the reporter reads. */
  readonly public: boolean;
  /** Of one that was given back: who would be right. */
  readonly suggested: string | null;
  /** Of the checklist. */
  readonly check: { readonly key: string; readonly done: boolean } | null;
  /** Of a join or a split: whether it was this one that went, and its reports. */
  readonly join: { readonly gone: boolean; readonly reports: number } | null;
  /** How many photos were added, and of what. */
  readonly photos: { readonly kind: AddedKind; readonly n: number } | null;
  /** Taken while it was an incident of its own, by the bare id of one that is joined into this one. */
  readonly of: string | null;
}

/** An incident that was joined into this one. */
export interface Joined {
  /** Bare. */
  readonly id: string;
  readonly atMs: number | null;
  readonly by: string;
  readonly reports: number;
}

/** One step of the checklist. */
export interface Check {
  readonly key: string;
  readonly name: Localized;
  readonly doneAtMs: number | null;
  readonly by: string;
  /** From the incident's opening to its being done. */
  readonly after_s: number | null;
}

export interface CaseFile {
  readonly incident: Incident;
  readonly said: readonly Said[];
  readonly steps: readonly Step[];
  /** It was joined into another one: its bare id. */
  readonly mergedInto: string | null;
  /** It was joined into another one, also where that is not for whoever reads. */
  readonly joined: boolean;
  readonly merged: readonly Joined[];
  readonly checklist: readonly Check[];
  /** Whom the city pack gives it to, and why. */
  readonly routing: { readonly agency: string | null; readonly why: Localized } | null;
  readonly confirmed: { readonly atMs: number; readonly by: string } | null;
  readonly disposition: Disposition | null;
  readonly photos: readonly Photo[];
  /** It is not resolved without a photo of the repair, and there is none yet. */
  readonly repairPhoto: boolean;
}

/** An answer that takes longer is given up: the operator must know, and can send again. */
const ANSWER_MS_MAX = 15_000;

export async function getCase(id: string): Promise<CaseFile> {
  return decodeCase(await getJson(`/api/v1/incidents/${bare(id)}`));
}

export interface Sent {
  readonly action: Action;
  /** The version that the operator saw. */
  readonly version: number | null;
  readonly words: string;
  readonly agency: string | null;
  /** Of a rejection. */
  readonly disposition?: Disposition;
  /** Of `merge` the other incident, of `split` the one that is set free; bare. */
  readonly other?: string;
  /** Of `merge`: the other one comes into this one, and this one stays. */
  readonly absorbs?: boolean;
  /** Of `check`. */
  readonly step?: string;
  readonly done?: boolean;
}

export async function sendAction(id: string, sent: Sent): Promise<CaseFile> {
  const verb = sent.action === 'answer' ? 'note' : sent.action;
  const body = bodyOf(isTurned(sent) ? { ...sent, other: bare(id) } : sent);
  return decodeCase(await within(ANSWER_MS_MAX, postJson(`/api/v1/incidents/${addressOf(id, sent)}/${verb}`, body, leaving())));
}

/** Whom it is asked of, bare: whatever is absorbed is the one that is asked to go. */
export function addressOf(id: string, sent: Sent): string {
  return isTurned(sent) ? (sent.other ?? '') : bare(id);
}

function isTurned(sent: Sent): boolean {
  return sent.action === 'merge' && sent.absorbs === true;
}

export function bodyOf(sent: Sent): Readonly<Record<string, unknown>> {
  const words = sent.words.trim();
  return {
    ...(sent.version !== null && { version: sent.version }),
    ...(sent.agency !== null && { agency: sent.agency }),
    ...(sent.disposition !== undefined && { disposition: sent.disposition }),
    ...(sent.other !== undefined && { incident: sent.other }),
    ...(sent.step !== undefined && { step: sent.step, done: sent.done === true }),
    ...(sent.action === 'answer' && { public: true }),
    ...(words !== '' && { [sent.action === 'reject' ? 'reason' : 'note']: words }),
  };
}

export function bare(id: string): string {
  return id.replace(/^i:/, '');
}

export function decodeCase(value: unknown): CaseFile {
  const incident = decodeItem(value);
  if (incident.kind !== 'incident') throw new Error(`${incident.id} is not an incident`);
  const p = object(object(value, 'incident').properties, 'properties');
  const log = list(p.log ?? [], 'log').map((line) => object(line, 'log line'));
  const confirmed = p.confirmed == null ? null : object(p.confirmed, 'confirmed');
  return {
    incident,
    said: log.filter(({ kind }) => kind === 'report').map((line) => decodeSaid(line)),
    steps: log.filter(({ kind, from, to }) => kind === 'action' || (from !== undefined && to !== undefined)).map((line) => decodeStep(line, bare(incident.id))),
    mergedInto: p.merged_into == null ? null : bare(string(p.merged_into, 'merged_into')),
    joined: p.joined === true || p.merged_into != null,
    merged: list(p.merged ?? [], 'merged').map(decodeJoined),
    checklist: list(p.checklist ?? [], 'checklist').map(decodeCheck),
    routing: decodeRouting(p.routing),
    confirmed: confirmed === null ? null : { atMs: time(confirmed.at, 'confirmed.at'), by: text(confirmed.by) },
    disposition: dispositionOf(p.disposition),
    photos: decodePhotos(p.photos),
    repairPhoto: p.repair_photo === true,
  };
}

type Json = Record<string, unknown>;

const text = (one: unknown): string => (typeof one === 'string' ? one : '');
const idOf = (one: unknown): string | null => (typeof one === 'string' ? bare(one) : null);

function decodeRouting(value: unknown): CaseFile['routing'] {
  if (value == null) return null;
  const o = object(value, 'routing');
  return o.why == null ? null : { agency: typeof o.agency === 'string' ? o.agency : null, why: localized(o.why, 'routing.why') };
}

/** One of a newer server is no fault: its words stand in the note. */
function dispositionOf(value: unknown): Disposition | null {
  return DISPOSITIONS.find((one) => one === value) ?? null;
}

function decodeSaid(line: Json): Said {
  return {
    seq: number(line.seq, 'seq'),
    atMs: time(line.at, 'at'),
    occurredAtMs: time(line.occurred_at ?? line.at, 'occurred_at'),
    code: text(line.code),
    channel: text(line.channel),
    text: text(line.description),
    from: idOf(line.incident),
  };
}

function decodeStep(line: Json, incident: string): Step {
  return {
    seq: number(line.seq, 'seq'),
    atMs: time(line.at, 'at'),
    action: string(line.action ?? line.kind, 'action'),
    from: oneOf(STATUSES, line.from, 'from'),
    to: oneOf(STATUSES, line.to, 'to'),
    agency: typeof line.agency === 'string' ? line.agency : null,
    actor: text(line.actor),
    note: text(line.note),
    disposition: dispositionOf(line.disposition),
    public: line.public === true || line.action === 'answer',
    suggested: typeof line.suggested === 'string' ? line.suggested : null,
    check: typeof line.step === 'string' ? { key: line.step, done: line.done !== false } : null,
    join: typeof line.absorbed === 'string' ? { gone: bare(line.absorbed) === incident, reports: number(line.reports ?? 0, 'reports') } : null,
    photos: decodeAdded(line.photos),
    of: idOf(line.incident),
  };
}

function decodeAdded(value: unknown): Step['photos'] {
  if (value == null) return null;
  const o = object(value, 'photos');
  return { kind: oneOf(['before', 'after'] as const, o.kind, 'photos.kind'), n: number(o.n, 'photos.n') };
}

function decodeJoined(value: unknown): Joined {
  const o = object(value, 'merged');
  return { id: bare(string(o.incident, 'merged.incident')), atMs: o.at == null ? null : time(o.at, 'merged.at'), by: text(o.by), reports: number(o.reports ?? 0, 'merged.reports') };
}

function decodeCheck(value: unknown): Check {
  const o = object(value, 'checklist');
  return {
    key: string(o.key, 'checklist.key'),
    name: localized(o.name, 'checklist.name'),
    doneAtMs: o.done_at == null ? null : time(o.done_at, 'checklist.done_at'),
    by: text(o.by),
    after_s: o.after_s == null ? null : number(o.after_s, 'checklist.after_s'),
  };
}

/** The highest number in the file: what an operator who looks at it has seen. */
export function lastSeq(file: CaseFile): number {
  return Math.max(0, ...file.said.map(({ seq }) => seq), ...file.steps.map(({ seq }) => seq));
}

/** What happened above a seq, in order: the steps and reports that an operator has not seen. */
export function since(file: CaseFile, seq: number): readonly (Step | Said)[] {
  return [...file.steps, ...file.said].filter((one) => one.seq > seq).sort((a, b) => a.seq - b.seq);
}

export function isStep(one: Step | Said): one is Step {
  return 'action' in one;
}

function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new TypeError(`no answer within ${ms} ms`)), ms);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
