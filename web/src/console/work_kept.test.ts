/** What waits or was on its way outlives the page, the browser and the line. */
import { expect, it, vi } from 'vitest';
import { CHECKLIST, ID, kept, nextPage, server, settled, takeUp, undo, work, workbench } from './work_testing';

workbench();

it('what waits goes out when the page goes away, the first thing first', async () => {
  work.begin('note');
  work.type('satu');
  work.submit();
  undo.flush();
  await settled();
  expect(server.sent).toEqual([{ action: 'note', body: { version: 1, note: 'satu' } }]);
});

it('what waited in a browser that died is there again as not sent, unless it was', async () => {
  work.begin('verify');
  const next = await nextPage();
  expect(next.waiting.map(({ id, trouble }) => [id, trouble?.sent.action, trouble?.kind])).toEqual([[ID, 'verify', 'network']]);
  next.show(ID, null);
  await settled();
  next.begin('verify');
  await settled();
  expect([server.status, next.open?.trouble]).toEqual(['verified', null]);

  undo.takeBack();
  server.status = 'new';
  await takeUp();
  work.begin('note');
  work.type('dua');
  work.submit();
  server.do('note', { note: 'dua' }, 'ani');
  const other = await nextPage();
  expect(other.waiting).toEqual([]);
});

it('what was under way, or got no answer, is there again too, until somebody lets it go', async () => {
  server.agency = 'dlh';
  server.version = 2;
  work.poke();
  await settled();
  let go = (): void => undefined;
  vi.stubGlobal('fetch', (url: string, init?: RequestInit) => (init?.method === 'POST' ? new Promise<Response>((_, fail) => (go = () => fail(new TypeError('no network')))) : server.fetch(url, init)));
  // Its opposite takes it back, so it goes out at once.
  work.begin('assign');
  work.submit('bpbd');
  const found = async (): Promise<readonly (string | undefined)[]> => {
    const next = await nextPage();
    return next.waiting.map(({ trouble }) => trouble?.sent.action);
  };
  expect(await found()).toEqual(['assign']);
  go();
  await settled();
  expect([work.open?.trouble?.kind, await found()]).toEqual(['network', ['assign']]);
  work.cancel();
  expect(await found()).toEqual([]);
});

it('without a line what was to follow waits too, is kept, and goes out behind the first', async () => {
  server.more = { checklist: CHECKLIST };
  work.poke();
  await settled();
  server.down = true;
  for (const key of ['call', 'pump']) work.doToOpen({ action: 'check', step: key, done: true });
  await settled();
  expect([work.open?.trouble?.kind, kept()]).toEqual(['network', [['check', 'call'], ['check', 'pump']]]);
  server.down = false;

  // A page that died with them asks for both, the first first.
  const next = await nextPage();
  next.show(ID, null);
  await settled();
  next.again();
  await settled();
  expect(server.sent.map(({ body }) => body.step)).toEqual(['call', 'pump']);
  expect(next.open?.trouble).toBeNull();
});

it('what was to follow one that is let go is asked for by itself', async () => {
  server.more = { checklist: CHECKLIST };
  work.poke();
  await settled();
  server.down = true;
  for (const key of ['call', 'pump']) work.doToOpen({ action: 'check', step: key, done: true });
  await settled();
  work.cancel();
  expect(work.open?.trouble?.sent.step).toBe('pump');
  work.cancel();
  expect([work.open?.trouble, work.open?.unfinished, kept()]).toEqual([null, false, []]);
});

it('what was stored without an answer is found in the history, and not sent again', async () => {
  server.mute = true;
  work.begin('note');
  work.type('pelapor sudah ditelepon');
  work.submit();
  undo.sendNow();
  await vi.advanceTimersByTimeAsync(50);
  expect([work.open?.trouble?.kind, work.open?.form]).toEqual(['network', 'note']);
  work.poke();
  await settled();
  expect([work.open?.trouble, work.open?.form, work.open?.changes, server.sent.length, kept()]).toEqual([null, null, [], 1, []]);

  // Whoever presses again before that was read sends it against what was seen, and it is not stored twice.
  work.begin('note');
  work.type('pompa datang');
  work.submit();
  undo.sendNow();
  await vi.advanceTimersByTimeAsync(700);
  server.mute = false;
  work.submit();
  await settled();
  expect([work.open?.trouble, server.log.filter((line) => (line as { note?: string }).note === 'pompa datang').length]).toEqual([null, 1]);
});
