/** Steps that follow one another faster than the server answers. */
import { expect, it, vi } from 'vitest';
import { CHECKLIST, kept, server, settled, slow, undo, waited, work, workbench } from './work_testing';

workbench();

it('the next step sends the one before, in order, each with the version that was seen', async () => {
  work.begin('verify');
  work.begin('start');
  await settled();
  expect(server.sent).toEqual([{ action: 'verify', body: { version: 1 } }]);
  expect(work.open?.shown?.status).toBe('in_progress');
  work.begin('resolve');
  expect(work.open?.form).toBe('resolve');
  work.type('pompa dipasang');
  work.submit();
  await waited();
  expect(server.sent.slice(1)).toEqual([
    { action: 'start', body: { version: 2 } },
    { action: 'resolve', body: { version: 3, note: 'pompa dipasang' } },
  ]);
  expect([work.open?.incident?.status, work.open?.trouble]).toEqual(['resolved', null]);
});

it('a form opens while the step before is under way, and is sent behind it', async () => {
  server.agency = 'dlh';
  work.poke();
  await settled();
  work.begin('verify');
  work.begin('assign');
  expect(work.open?.form).toBe('assign');
  work.submit('bpbd');
  await settled();
  expect(server.sent).toEqual([
    { action: 'verify', body: { version: 1 } },
    { action: 'assign', body: { version: 2, agency: 'bpbd' } },
  ]);
  expect([work.open?.form, work.open?.incident?.agency]).toEqual([null, 'bpbd']);
});

it('a second note, or answer, may follow at once: the first goes out as its form opens', async () => {
  for (const [form, key] of [['note', 'note'], ['answer', 'note']] as const) {
    const before = server.sent.length;
    for (const words of ['pertama', 'kedua']) {
      work.begin(form);
      expect(work.open?.form).toBe(form);
      work.type(words);
      work.submit();
      await settled();
    }
    await waited();
    expect(server.sent.slice(before).map(({ action, body }) => [action, body.note])).toEqual([[key, 'pertama'], [key, 'kedua']]);
  }
  // What makes no sense twice is not done twice.
  const sent = server.sent.length;
  work.begin('verify');
  work.begin('verify');
  await settled();
  expect([server.sent.length, undo.deeds.length]).toEqual([sent, 1]);
});

it('two notes of which the first is not stored stand in one form, and nothing of either is lost', async () => {
  for (const next of ['', 'kedua']) {
    work.begin('note');
    work.type('pertama');
    work.submit();
    server.down = true;
    work.begin('note');
    if (next !== '') work.type(next);
    await settled();
    expect([work.open?.trouble?.kind, work.open?.form, work.open?.text]).toEqual(['network', 'note', next === '' ? 'pertama' : 'pertama\nkedua']);
    server.down = false;
    work.submit();
    await settled();
    expect(server.sent.at(-1)?.body.note).toBe(next === '' ? 'pertama' : 'pertama\nkedua');
    expect([work.open?.form, work.open?.trouble]).toEqual([null, null]);
  }
});

it('of two notes in one form the first is taken out once it proves to be stored', async () => {
  work.begin('note');
  work.type('pertama');
  work.submit();
  server.mute = true;
  work.begin('note');
  work.type('kedua');
  await vi.advanceTimersByTimeAsync(100);
  server.mute = false;
  expect([work.open?.trouble?.kind, work.open?.text]).toEqual(['network', 'pertama\nkedua']);
  work.poke();
  await settled();
  expect([work.open?.trouble, work.open?.form, work.open?.text]).toEqual([null, 'note', 'kedua']);
  work.submit();
  await waited();
  expect(server.sent.map(({ body }) => body.note)).toEqual(['pertama', 'kedua']);
});

it('steps ticked faster than the server answers are all stored, in order, and shown as ticked meanwhile', async () => {
  server.more = { checklist: CHECKLIST };
  work.poke();
  await settled();
  const line = slow();
  for (const { key } of CHECKLIST) work.doToOpen({ action: 'check', step: key, done: true });
  await vi.advanceTimersByTimeAsync(50);
  expect([[...(work.open?.wished.keys() ?? [])], kept()]).toEqual([['call', 'pump', 'drain'], [['check', 'call'], ['check', 'pump'], ['check', 'drain']]]);
  await line.go();
  expect(server.sent.map(({ body }) => [body.step, body.version])).toEqual([['call', 1], ['pump', 2], ['drain', 3]]);
  expect([work.open?.unfinished, kept()]).toEqual([false, []]);
});

it('what stands against the first tick takes the others back, for everybody to see', async () => {
  server.more = { checklist: CHECKLIST };
  work.poke();
  await settled();
  const line = slow();
  for (const { key } of CHECKLIST) work.doToOpen({ action: 'check', step: key, done: true });
  server.do('assign', { agency: 'dlh' }, 'budi');
  await line.go();
  expect([work.open?.trouble?.kind, work.open?.wished.size, server.sent.length]).toEqual(['conflict', 0, 1]);
});

it('a step that was asked for is taken also when another incident is looked at by the time of the answer', async () => {
  const line = slow();
  work.begin('verify');
  work.begin('start');
  await vi.advanceTimersByTimeAsync(50);
  work.show('i:8', null);
  await line.go();
  await waited();
  await line.go();
  expect(server.sent.map(({ action }) => action)).toEqual(['verify', 'start']);
  expect([server.status, work.open?.id, work.waiting]).toEqual(['in_progress', 'i:8', []]);
});

it('what was taken back twice is undone twice: one’s own steps stand against nothing', async () => {
  server.agency = 'dlh';
  server.more = { checklist: CHECKLIST };
  work.poke();
  await settled();
  work.begin('assign');
  work.submit('bpbd');
  await settled();
  work.doToOpen({ action: 'check', step: 'call', done: true });
  await settled();
  undo.takeBack();
  // The answer to the first is not here yet.
  undo.takeBack();
  await settled();
  expect(server.sent.slice(2).map(({ action, body }) => [action, body.version])).toEqual([['check', 3], ['assign', 4]]);
  expect([server.agency, work.open?.trouble]).toEqual(['dlh', null]);
});
