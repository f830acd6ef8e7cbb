/** One incident with all that is known of it: what was reported, what was done. */
import { getJson, postJson } from '../feed/http';
import { decodeItem, list, number, object, oneOf, STATUSES, string, time, type Incident, type Status } from '../feed/protocol';
import type { Action } from './transitions';

/** One report of the incident, in the reporter's words. */
export interface Said {
  readonly seq: number;
  readonly atMs: number;
  readonly occurredAtMs: number;
  readonly code: string;
  readonly channel: string;
  readonly text: string;
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
}

export interface CaseFile {
  readonly incident: Incident;
  readonly said: readonly Said[];
  readonly steps: readonly Step[];
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
}

export async function sendAction(id: string, sent: Sent): Promise<CaseFile> {
  const words = sent.words.trim();
  const body = {
    ...(sent.version !== null && { version: sent.version }),
    ...(sent.agency !== null && { agency: sent.agency }),
    ...(words !== '' && { [sent.action === 'reject' ? 'reason' : 'note']: words }),
  };
  return decodeCase(await within(ANSWER_MS_MAX, postJson(`/api/v1/incidents/${bare(id)}/${sent.action}`, body)));
}

export function bare(id: string): string {
  return id.replace(/^i:/, '');
}

export function decodeCase(value: unknown): CaseFile {
  const incident = decodeItem(value);
  if (incident.kind !== 'incident') throw new Error(`${incident.id} is not an incident`);
  const p = object(object(value, 'incident').properties, 'properties');
  const log = list(p.log ?? [], 'log').map((line) => object(line, 'log line'));
  const text = (one: unknown): string => (typeof one === 'string' ? one : '');
  return {
    incident,
    said: log
      .filter(({ kind }) => kind === 'report')
      .map((line) => ({
        seq: number(line.seq, 'seq'),
        atMs: time(line.at, 'at'),
        occurredAtMs: time(line.occurred_at ?? line.at, 'occurred_at'),
        code: text(line.code),
        channel: text(line.channel),
        text: text(line.description),
      })),
    steps: log
      .filter(({ kind }) => kind === 'action')
      .map((line) => ({
        seq: number(line.seq, 'seq'),
        atMs: time(line.at, 'at'),
        action: string(line.action, 'action'),
        from: oneOf(STATUSES, line.from, 'from'),
        to: oneOf(STATUSES, line.to, 'to'),
        agency: typeof line.agency === 'string' ? line.agency : null,
        actor: text(line.actor),
        note: text(line.note),
      })),
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
