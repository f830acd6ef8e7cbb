import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Work } from './work.svelte';

/** The server, as far as this needs it: one incident with a version and a log, and a table of two transitions. */
class Server {
  version = 1;
  status = 'new';
  down = false;
  readonly log: unknown[] = [{ kind: 'report', seq: 1, at: AT, code: 'TTE-7K3M-9QXAC', description: 'air mati' }];
  readonly sent: { action: string; body: Record<string, unknown> }[] = [];

  do(action: string, body: Record<string, unknown>, actor: string): Response {
    const to = { verify: 'verified', reject: 'rejected', note: this.status, start: 'in_progress' }[action];
    if (body.version !== undefined && body.version !== this.version) return problem(409, 'it has another version');
    if (to === undefined || (action === 'verify' && this.status !== 'new') || (action === 'reject' && this.status === 'rejected')) return problem(409, 'not possible');
    this.version += 1;
    this.log.push({ kind: 'action', seq: this.version, at: AT, action, from: this.status, to, actor, note: body.reason ?? body.note ?? null });
    this.status = to;
    return this.answer();
  }

  fetch = async (url: string, init?: RequestInit): Promise<Response> => {
    if (this.down) throw new TypeError('no network');
    if (init?.method !== 'POST') return this.answer();
    const action = url.split('/').at(-1) ?? '';
    const body = JSON.parse(String(init.body)) as Record<string, unknown>;
    this.sent.push({ action, body });
    return this.do(action, body, 'me');
  };

  private answer(): Response {
    const properties = { kind: 'incident', category: 'water', status: this.status, reports: 1, opened_at: AT, updated_at: AT, version: this.version, log: this.log };
    return Response.json({ type: 'Feature', id: ID, geometry: { type: 'Point', coordinates: [127.38, 0.79] }, properties });
  }
}

function problem(status: number, detail: string): Response {
  return Response.json({ type: '/problems/version', title: 'Conflict', detail, status }, { status });
}

const AT = '2026-11-24T05:00:00Z';
const ID = 'i:7';
let server: Server;
let work: Work;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'performance'] });
  server = new Server();
  vi.stubGlobal('fetch', server.fetch);
  vi.stubGlobal('document', { hidden: false });
  work = new Work(() => undefined);
  work.show(ID, null);
  await settled();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Longer than a key needs to be pressed twice by mistake, and than a reading waits. */
const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(2_000);

it('an action carries the version that was seen, and a key pressed meanwhile waits for its answer', async () => {
  work.begin('verify');
  work.begin('start');
  await settled();
  expect(server.sent).toEqual([
    { action: 'verify', body: { version: 1 } },
    { action: 'start', body: { version: 2 } },
  ]);
  expect(work.open?.incident?.status).toBe('in_progress');
  expect(work.open?.trouble).toBeNull();
});

it('what others do while one writes is shown, the text stays, and the answer is against what was seen', async () => {
  work.begin('reject');
  work.type('tidak ada');
  server.do('verify', {}, 'other');
  work.poke();
  await settled();
  expect(work.open?.changes.map((one) => one.seq)).toEqual([2]);
  expect([work.open?.form, work.open?.text]).toEqual(['reject', 'tidak ada']);

  work.submit();
  await settled();
  expect(server.sent).toEqual([{ action: 'reject', body: { version: 1, reason: 'tidak ada' } }]);
  expect(work.open?.trouble?.kind).toBe('conflict');
  expect([work.open?.text, work.open?.stillPossible]).toEqual(['tidak ada', true]);

  work.submit();
  await settled();
  expect(server.sent[1]).toEqual({ action: 'reject', body: { version: 2, reason: 'tidak ada' } });
  expect([work.open?.incident?.status, work.open?.form, work.open?.trouble]).toEqual(['rejected', null, null]);
});

it('a second press that follows at once does not answer a question that nobody has read', async () => {
  server.do('note', { note: 'x' }, 'other');
  work.begin('verify');
  await vi.advanceTimersByTimeAsync(50);
  expect(work.open?.trouble?.kind).toBe('conflict');
  work.begin('verify');
  await vi.advanceTimersByTimeAsync(50);
  expect(server.sent).toHaveLength(1);
  await settled();
  work.begin('verify');
  await settled();
  expect(server.sent[1]?.body.version).toBe(2);
  expect(work.open?.incident?.status).toBe('verified');
});

it('an action that is not possible any more is not sent again; its text becomes a note', async () => {
  work.begin('reject');
  work.type('iseng');
  server.do('reject', {}, 'other');
  work.submit();
  await settled();
  expect(work.open?.stillPossible).toBe(false);
  work.submit();
  await settled();
  expect(server.sent).toHaveLength(1);
  work.asNote();
  work.submit();
  await settled();
  expect(server.sent[1]).toEqual({ action: 'note', body: { version: 2, note: 'iseng' } });
});

it('without a line the text and the question stay, also while another incident is looked at', async () => {
  work.begin('note');
  work.type('sudah dihubungi');
  server.down = true;
  work.submit();
  await settled();
  expect(work.open?.trouble?.kind).toBe('network');
  work.show('i:8', null);
  expect(work.waiting.map(({ id }) => id)).toEqual([ID]);
  work.show(ID, null);
  expect([work.open?.form, work.open?.text, work.waiting.length]).toEqual(['note', 'sudah dihubungi', 0]);
  server.down = false;
  work.submit();
  await settled();
  expect(server.sent).toEqual([{ action: 'note', body: { version: 1, note: 'sudah dihubungi' } }]);
});

it('a form that was put away has its text when it opens again, and not once it was sent', async () => {
  work.begin('reject');
  work.type('iseng');
  work.cancel();
  expect(work.open?.form).toBeNull();
  work.begin('reject');
  expect(work.open?.text).toBe('iseng');
  work.submit();
  await settled();
  server.status = 'new';
  server.version += 1;
  work.poke();
  await settled();
  work.begin('reject');
  expect(work.open?.text).toBe('');
});
