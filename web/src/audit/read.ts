/** The audit as the server tells it, decoded where it arrives. */
import { address, getJson } from '../feed/http';
import { list, object, string, STATUSES, time, type Status } from '../feed/protocol';
import { paramsOf, type Question } from './question';

export interface Line {
  readonly atMs: number;
  /** Null: nobody who is known. */
  readonly actor: string | null;
  readonly action: string;
  /** UUIDs. */
  readonly incident: string | null;
  /** Of what was joined or split, the one that it was joined into. */
  readonly other: string | null;
  readonly from: Status | null;
  readonly to: Status | null;
  readonly agency: string | null;
  /** The account or token that it was done to. */
  readonly account: string | null;
  /** Where they came from. */
  readonly network: string | null;
  readonly note: string | null;
}

export interface Page {
  readonly lines: readonly Line[];
  /** Where the next page begins; null: this is the last. */
  readonly next: string | null;
}

const ANSWER = '/api/v1/audit';
const LINES = 100;

export function decodeLine(value: unknown): Line {
  const o = object(value, 'entry');
  const text = (key: string): string | null => (typeof o[key] === 'string' && o[key] !== '' ? (o[key] as string) : null);
  const status = (key: string): Status | null => STATUSES.find((one) => one === o[key]) ?? null;
  const action = string(o.action, 'action');
  const isOfTwo = action === 'merge' || action === 'split';
  return {
    atMs: time(o.at, 'at'),
    actor: text('actor'),
    action,
    incident: text('incident'),
    other: isOfTwo ? text('subject') : null,
    from: status('from'),
    to: status('to'),
    agency: text('agency'),
    account: isOfTwo ? null : text('subject'),
    network: text('network'),
    note: text('note'),
  };
}

export function decodePage(json: unknown): Page {
  const o = object(json, 'audit');
  return { lines: list(o.entries, 'entries').map(decodeLine), next: typeof o.next === 'string' ? o.next : null };
}

/** The newest first. */
export async function readPage(question: Question, cursor?: string): Promise<Page> {
  return decodePage(await getJson(ANSWER, { ...paramsOf(question), limit: LINES, cursor }));
}

/** Where the same is as a table for a spreadsheet. */
export function csvAddress(question: Question): string {
  return address(`${ANSWER}.csv`, paramsOf(question));
}
