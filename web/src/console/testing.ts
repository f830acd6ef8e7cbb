/** What the console's tests share: incidents, workers, and a server as far as the page needs one. */
import type { Incident, Status } from '../feed/protocol';
import type { May } from '../ui/may';
import { Offer } from './offer';
import { PLAIN_TABLE, type Table } from './transitions';

export function incident(id: string, more: Partial<Incident> = {}): Incident {
  return {
    kind: 'incident',
    id,
    at: [127.38, 0.79],
    category: 'water',
    status: 'new',
    reports: 1,
    title: null,
    area: null,
    agency: null,
    openedAtMs: 0,
    updatedAtMs: 0,
    dueAtMs: null,
    overdue: false,
    drill: false,
    version: 1,
    ...more,
  };
}

const EVERYTHING: May = Object.fromEntries(
  ['see-incident', 'verify', 'assign', 'start', 'resolve', 'confirm', 'reject', 'return', 'reopen', 'note', 'answer', 'merge', 'split', 'pause', 'check'].map((permission) => [permission, 'all']),
);

export function offer(more: { table?: Table; may?: May; agency?: string | null; name?: string; role?: string; head?: boolean } = {}): Offer {
  const { table = PLAIN_TABLE, may = EVERYTHING, agency = null, name = 'ani', role = 'operator', head = false } = more;
  return new Offer(table, { name, role, head, may, agency });
}

export const AT = '2026-11-24T05:00:00Z';

const LEADS: Readonly<Record<string, Status>> = { verify: 'verified', reject: 'rejected', start: 'in_progress', resolve: 'resolved' };

/** The server, as far as this needs it: one incident with a version and a log. */
export class Server {
  version = 1;
  status: Status = 'new';
  agency: string | null = null;
  down = false;
  /** What is sent is stored, and its answer lost on the way. */
  mute = false;
  merged: unknown[] = [];
  more: Record<string, unknown> = {};
  readonly log: unknown[] = [{ kind: 'report', seq: 1, at: AT, code: 'TTE-7K3M-9QXAC', description: 'air mati' }];
  readonly sent: { action: string; body: Record<string, unknown> }[] = [];
  readonly asked: string[] = [];

  constructor(readonly id = 'i:7') {}

  do(action: string, body: Record<string, unknown>, actor: string): Response {
    const to = LEADS[action] ?? this.status;
    if (body.version !== undefined && body.version !== this.version) return problem(409, 'version', 'it has another version');
    if ((action === 'verify' && this.status !== 'new') || (action === 'reject' && this.status === 'rejected')) return problem(409, 'transition', 'not possible');
    if (action === 'assign') this.agency = String(body.agency);
    this.version += 1;
    const { agency = null, disposition = null, step = null, done = null } = body;
    this.log.push({ kind: 'action', seq: this.version, at: this.at, action, from: this.status, to, actor, note: body.reason ?? body.note ?? null, agency, disposition, step, done });
    this.status = to;
    return this.answer();
  }

  /** Each version a second after the one before. */
  private get at(): string {
    return new Date(Date.parse(AT) + (this.version - 1) * 1_000).toISOString();
  }

  fetch = async (url: string, init?: RequestInit): Promise<Response> => {
    if (this.down) throw new TypeError('no network');
    this.asked.push(url);
    if (init?.method !== 'POST') return this.answer(url.split('/').at(-1));
    const action = url.split('/').at(-1) ?? '';
    const body = JSON.parse(String(init.body)) as Record<string, unknown>;
    this.sent.push({ action, body });
    const answer = this.do(action, body, 'ani');
    if (this.mute) throw new TypeError('the line was cut');
    return answer;
  };

  answer(id = this.id): Response {
    const properties = {
      kind: 'incident', category: 'water', status: this.status, agency: this.agency, reports: 1, opened_at: AT, updated_at: this.at, version: this.version, log: this.log, merged: this.merged, ...this.more,
    };
    return Response.json({ type: 'Feature', id: id.startsWith('i:') ? id : this.id, geometry: { type: 'Point', coordinates: [127.38, 0.79] }, properties });
  }
}

export function problem(status: number, type: string, detail: string): Response {
  return Response.json({ type: `/problems/${type}`, title: 'Conflict', detail, status }, { status });
}
