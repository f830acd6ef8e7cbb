/** An incident that is worked on by itself and among many. */
import { expect, it, vi } from 'vitest';
import { Batches } from './batch.svelte';
import { incident, offer } from './testing';
import { PLAIN_TABLE } from './transitions';
import { Undo } from './undo.svelte';
import { ID, nextPage, server, slow, takeUp, undo, waited, work, workbench } from './work_testing';

workbench();

it('what is done to one, and to it among many, goes out in order, each with the version of the one before', async () => {
  const batches: Batches = new Batches(PLAIN_TABLE, undo, () => undefined, undefined, (ids) => work.letGo(ids));
  await takeUp(offer(), (id) => batches.letGo(id));
  work.begin('verify');
  batches.begin([incident(ID)], { action: 'assign', words: '', agency: 'bpbd' });
  await waited();
  expect(server.sent).toEqual([
    { action: 'verify', body: { version: 1 } },
    { action: 'assign', body: { version: 2, agency: 'bpbd' } },
  ]);

  // What waits for many goes out before a step on the one of them that is open.
  batches.begin([incident(ID, { status: 'verified', version: 3 })], { action: 'reject', words: 'iseng', agency: null });
  work.begin('note');
  work.type('pelapor sudah ditelepon');
  expect(server.sent).toHaveLength(2);
  work.submit();
  await waited();
  expect(server.sent.slice(2)).toEqual([
    { action: 'reject', body: { version: 3, reason: 'iseng' } },
    { action: 'note', body: { version: 4, note: 'pelapor sudah ditelepon' } },
  ]);
  expect([work.open?.trouble, work.open?.form, batches.outcome]).toEqual([null, null, null]);
});

it('what stood against the action on many stands against the next step too', async () => {
  const batches: Batches = new Batches(PLAIN_TABLE, undo, () => undefined);
  await takeUp(offer(), (id) => batches.letGo(id));
  batches.begin([incident(ID)], { action: 'reject', words: 'iseng', agency: null });
  work.begin('note');
  work.type('pelapor sudah ditelepon');
  server.do('verify', {}, 'budi');
  work.submit();
  await waited();
  expect(batches.outcome?.refused.map(({ why }) => why)).toEqual(['conflict']);
  expect([work.open?.trouble?.kind, work.open?.form, work.open?.text]).toEqual(['conflict', 'note', 'pelapor sudah ditelepon']);
});

it('what somebody did between the action on many and the next step is news', async () => {
  const batches: Batches = new Batches(PLAIN_TABLE, undo, () => undefined);
  await takeUp(offer(), (id) => batches.letGo(id));
  batches.begin([incident(ID)], { action: 'assign', words: '', agency: 'bpbd' });
  const line = slow();
  work.begin('note');
  work.type('pelapor sudah ditelepon');
  work.submit();
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    if (init?.method !== 'POST' && server.version === 2) server.do('verify', {}, 'budi');
    return server.fetch(url, init);
  });
  await line.go();
  await waited();
  expect([work.open?.trouble?.kind, work.open?.text]).toEqual(['conflict', 'pelapor sudah ditelepon']);
});

it('a step of somebody else, or an older one, does not pass for one of an action on many', async () => {
  server.do('assign', { agency: 'dlh' }, 'ani');
  const seen = incident(ID, { version: 2, updatedAtMs: Date.parse('2026-11-24T05:00:01Z') });
  const assign = { action: 'assign', words: '', agency: 'bpbd', version: 2 } as const;
  const found = async (): Promise<readonly (string | undefined)[]> => {
    const batches: Batches = new Batches(PLAIN_TABLE, new Undo(), () => undefined);
    batches.begin([seen], assign);
    const next = await nextPage();
    return next.waiting.map(({ trouble }) => trouble?.sent.action);
  };
  server.do('assign', { agency: 'bpbd' }, 'budi');
  server.do('assign', { agency: 'pupr' }, 'ani');
  expect(await found()).toEqual(['assign']);
  server.do('assign', { agency: 'bpbd' }, 'ani');
  expect(await found()).toEqual([]);
});
