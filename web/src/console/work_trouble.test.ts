/** What stands against an action: others, refusals, a line that is gone. */
import { expect, it, vi } from 'vitest';
import { getCase } from './casefile';
import { problem } from './testing';
import { ID, server, settled, undo, waited, work, workbench } from './work_testing';

workbench();

it('what others do while one writes is shown, the text stays, and the answer is against what was seen', async () => {
  work.begin('reject');
  work.type('tidak ada');
  server.do('verify', {}, 'other');
  work.poke();
  await settled();
  expect(work.open?.changes.map((one) => one.seq)).toEqual([2]);
  expect([work.open?.form, work.open?.text]).toEqual(['reject', 'tidak ada']);

  work.submit();
  await waited();
  expect(server.sent).toEqual([{ action: 'reject', body: { version: 1, reason: 'tidak ada' } }]);
  expect(work.open?.trouble?.kind).toBe('conflict');
  expect([work.open?.form, work.open?.text, work.stillPossible]).toEqual(['reject', 'tidak ada', true]);
  expect(work.open?.shown?.status).toBe('verified');

  work.submit();
  await settled();
  expect(server.sent[1]).toEqual({ action: 'reject', body: { version: 2, reason: 'tidak ada' } });
  expect([work.open?.incident?.status, work.open?.form, work.open?.trouble]).toEqual(['rejected', null, null]);
});

it('a second press that follows at once does not answer a question that nobody has read', async () => {
  work.begin('verify');
  server.do('note', { note: 'x' }, 'other');
  undo.sendNow();
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
  await waited();
  expect(work.stillPossible).toBe(false);
  work.submit();
  await settled();
  expect(server.sent).toHaveLength(1);
  work.asNote();
  work.submit();
  await waited();
  expect(server.sent[1]).toEqual({ action: 'note', body: { version: 2, note: 'iseng' } });
});

it('without a line the text and the question stay, also while another incident is looked at', async () => {
  work.begin('note');
  work.type('sudah dihubungi');
  server.down = true;
  work.submit();
  await waited();
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

it('a step that meets trouble takes along neither the next step nor its words', async () => {
  work.begin('verify');
  server.do('verify', {}, 'other');
  work.begin('note');
  work.type('sedang dicek');
  await settled();
  expect([work.open?.trouble?.sent.action, work.open?.form]).toEqual(['verify', null]);
  work.cancel();
  work.begin('note');
  expect(work.open?.text).toBe('sedang dicek');
});

it('a refusal that no newer state explains says what the server says', async () => {
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => (init?.method === 'POST' ? problem(409, 'four-eyes', 'somebody else must confirm') : server.fetch(url, init)));
  work.begin('note');
  work.type('x');
  work.submit();
  await waited();
  expect([work.open?.trouble?.kind, work.open?.trouble?.problem?.type]).toEqual(['refused', '/problems/four-eyes']);
});

it('a photo of one’s own makes nothing stale; what somebody else did meanwhile stays news', async () => {
  server.status = 'in_progress';
  work.poke();
  await settled();
  work.begin('resolve');
  work.type('pompa dipasang');
  server.do('photo', {}, 'ani');
  work.took(ID, await getCase(ID));
  expect(work.open?.changes).toEqual([]);
  work.submit();
  await waited();
  expect(server.sent).toEqual([{ action: 'resolve', body: { version: 2, note: 'pompa dipasang' } }]);
  expect(work.open?.trouble).toBeNull();

  work.begin('note');
  server.do('assign', { agency: 'dlh' }, 'budi');
  server.do('photo', {}, 'ani');
  work.took(ID, await getCase(ID));
  expect(work.open?.changes.length).toBe(2);
});

it('what somebody else did since stands against taking it back', async () => {
  server.agency = 'dlh';
  work.poke();
  await settled();
  work.begin('assign');
  work.submit('bpbd');
  await settled();
  server.do('note', { note: 'kami berangkat' }, 'budi');
  work.poke();
  await settled();
  undo.takeBack();
  await settled();
  expect([server.agency, work.open?.trouble?.kind]).toEqual(['bpbd', 'conflict']);
});
