/** What is done to the open incident: when it is sent, and how it is taken back. */
import { expect, it, vi } from 'vitest';
import { offer } from './testing';
import { UNDO_MS } from './undo.svelte';
import { ID, server, settled, takeUp, undo, waited, work, workbench } from './work_testing';

workbench();

it('what nothing takes back exactly is shown at once and sent after ten seconds', async () => {
  work.begin('verify');
  expect(work.open?.shown?.status).toBe('verified');
  expect(work.will.get(ID)?.status).toBe('verified');
  await vi.advanceTimersByTimeAsync(UNDO_MS - 500);
  expect(server.sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.sent).toEqual([{ action: 'verify', body: { version: 1 } }]);
  expect([work.open?.incident?.status, undo.deeds, work.will.size]).toEqual(['verified', [], 0]);
});

it('taken back within ten seconds it was never sent, and words stand in their form again', async () => {
  work.begin('verify');
  expect(undo.takeBack()).toBe(true);
  expect(work.open?.shown?.status).toBe('new');
  work.begin('note');
  work.type('pompa sedang dikirim');
  work.submit();
  expect(work.open?.form).toBeNull();
  expect(undo.takeBack()).toBe(true);
  expect([work.open?.form, work.open?.text]).toEqual(['note', 'pompa sedang dikirim']);
  await waited();
  expect(server.sent).toEqual([]);
  expect(undo.takeBack()).toBe(false);
});

it('assigning is sent at once, and taking it back assigns whoever had it before', async () => {
  server.agency = 'dlh';
  server.version = 2;
  work.poke();
  await settled();
  work.begin('assign');
  work.submit('bpbd');
  expect(work.open?.shown?.agency).toBe('bpbd');
  await settled();
  expect(server.agency).toBe('bpbd');
  expect(undo.takeBack()).toBe(true);
  await settled();
  expect(server.sent).toEqual([
    { action: 'assign', body: { version: 2, agency: 'bpbd' } },
    { action: 'assign', body: { version: 3, agency: 'dlh' } },
  ]);
  expect([server.agency, work.open?.incident?.agency, undo.deeds]).toEqual(['dlh', 'dlh', []]);
});

it('where nobody had it, there is nobody to assign it back to, so it waits', async () => {
  work.begin('assign');
  work.submit('bpbd');
  await settled();
  expect(server.sent).toEqual([]);
  expect(undo.takeBack()).toBe(true);
  await waited();
  expect([server.sent, work.open?.shown?.agency]).toEqual([[], null]);
});

it('a verified incident is not handed on before it can be taken back: its time to start would begin anew', async () => {
  server.agency = 'dlh';
  server.status = 'verified';
  work.poke();
  await settled();
  work.begin('assign');
  work.submit('pupr');
  expect(work.open?.shown?.agency).toBe('pupr');
  await settled();
  expect(undo.takeBack()).toBe(true);
  await waited();
  expect([server.sent, work.open?.shown?.agency]).toEqual([[], 'dlh']);
  // Nobody took it back.
  work.begin('assign');
  work.submit('pupr');
  await waited();
  expect(server.sent).toEqual([{ action: 'assign', body: { version: 1, agency: 'pupr' } }]);
});

it('what was verified a moment ago is handed on at once, and later only once it can be taken back no more', async () => {
  server.agency = 'dlh';
  work.poke();
  await settled();
  work.begin('verify');
  undo.sendNow();
  await settled();
  work.begin('assign');
  work.submit('bpbd');
  await settled();
  expect(server.sent.map(({ action }) => action)).toEqual(['verify', 'assign']);
  undo.takeBack();
  await waited();
  expect(server.sent.slice(2)).toEqual([{ action: 'assign', body: { version: 3, agency: 'dlh' } }]);
  work.begin('assign');
  work.submit('pupr');
  await settled();
  expect(server.sent).toHaveLength(3);
});

it('joining asks the one that goes, and taking it back splits it off the one that stays', async () => {
  const calls: [string, Record<string, unknown>][] = [];
  const other = { kind: 'incident', category: 'water', status: 'verified', reports: 3, opened_at: '2026-11-24T05:00:00Z', version: 9 };
  const feature = (id: string, properties: object): Response => Response.json({ type: 'Feature', id, geometry: { type: 'Point', coordinates: [127.38, 0.79] }, properties });
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    if (init?.method !== 'POST') return feature(url.endsWith('/8') ? 'i:8' : ID, { ...other, version: 9 });
    calls.push([url, JSON.parse(String(init.body)) as Record<string, unknown>]);
    const stays = url.includes('/7/') ? 'i:8' : ID;
    return feature(stays, { ...other, version: 10 });
  });
  const target = { kind: 'incident', id: 'i:8', at: [127.38, 0.79], category: 'water', status: 'verified', reports: 3, title: null, area: null, agency: null, openedAtMs: 0, updatedAtMs: 0, dueAtMs: null, overdue: false, drill: false, version: 9 } as const;

  // The open one stays: the other one is asked to go, with its version.
  work.join(target, true);
  await settled();
  expect(calls.pop()).toEqual(['/api/v1/incidents/8/merge', { version: 9, incident: '7' }]);
  undo.takeBack();
  await settled();
  expect(calls.pop()).toEqual(['/api/v1/incidents/7/split', { version: 10, incident: '8' }]);

  // The open one goes: the page goes on with the other.
  work.join(target, false);
  await settled();
  expect(calls.pop()?.[0]).toBe('/api/v1/incidents/7/merge');
  expect(work.open?.id).toBe('i:8');
  undo.takeBack();
  await settled();
  expect(calls.pop()).toEqual(['/api/v1/incidents/8/split', { version: 10, incident: '7' }]);
  expect(work.open?.id).toBe(ID);
});

it('a step of the checklist is ticked at once and unticked by taking it back', async () => {
  server.more = { checklist: [{ key: 'call', name: { id: 'Telepon', en: 'Call' }, done_at: null, by: null, after_s: null }] };
  work.poke();
  await settled();
  work.doToOpen({ action: 'check', step: 'call', done: true });
  await settled();
  undo.takeBack();
  await settled();
  expect(server.sent).toEqual([
    { action: 'check', body: { version: 1, step: 'call', done: true } },
    { action: 'check', body: { version: 2, step: 'call', done: false } },
  ]);
});

it('a form that was put away has its text when it opens again, and not once it was sent', async () => {
  work.begin('reject');
  work.type('iseng');
  work.cancel();
  expect(work.open?.form).toBeNull();
  work.begin('reject');
  expect(work.open?.text).toBe('iseng');
  work.submit();
  await waited();
  server.status = 'new';
  server.version += 1;
  work.poke();
  await settled();
  work.begin('reject');
  expect(work.open?.text).toBe('');
});

it('nothing is offered that whoever works here may not do', async () => {
  await takeUp(offer({ may: { 'see-incident': 'own', start: 'own', note: 'own' }, agency: 'dlh' }));
  work.begin('verify');
  work.begin('note');
  expect([work.open?.form, work.open?.held]).toEqual([null, null]);
  server.agency = 'dlh';
  server.version += 1;
  work.poke();
  await settled();
  work.begin('note');
  expect(work.open?.form).toBe('note');
  await waited();
  expect(server.sent).toEqual([]);
});
