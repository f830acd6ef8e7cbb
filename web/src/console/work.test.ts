import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Batches } from './batch.svelte';
import { getCase } from './casefile';
import { readHeld } from './held';
import { incident, offer, problem, Server } from './testing';
import { PLAIN_TABLE } from './transitions';
import { Undo, UNDO_MS } from './undo.svelte';
import { Work } from './work.svelte';

const ID = 'i:7';
let server: Server;
let undo: Undo;
let work: Work;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] });
  server = new Server(ID);
  vi.stubGlobal('fetch', server.fetch);
  vi.stubGlobal('document', { hidden: false });
  const store = new Map<string, string>();
  vi.stubGlobal('sessionStorage', { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, text: string) => void store.set(key, text), removeItem: (key: string) => void store.delete(key) });
  undo = new Undo();
  work = new Work(() => undefined, offer(), undo);
  work.show(ID, null);
  await settled();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Longer than a key needs to be pressed twice by mistake, and than a reading waits. */
const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(2_000);
/** What waits has gone out. */
const waited = (): Promise<unknown> => vi.advanceTimersByTimeAsync(UNDO_MS + 2_000);

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
  const next = new Work(() => undefined, offer(), new Undo());
  void next.recover();
  await vi.advanceTimersByTimeAsync(3_000);
  expect(next.waiting.map(({ id, trouble }) => [id, trouble?.sent.action, trouble?.kind])).toEqual([[ID, 'verify', 'network']]);
  next.show(ID, null);
  await settled();
  next.begin('verify');
  await settled();
  expect([server.status, next.open?.trouble]).toEqual(['verified', null]);

  undo.takeBack();
  server.status = 'new';
  work = new Work(() => undefined, offer(), undo);
  work.show(ID, null);
  await settled();
  work.begin('note');
  work.type('dua');
  work.submit();
  server.do('note', { note: 'dua' }, 'ani');
  const other = new Work(() => undefined, offer(), new Undo());
  void other.recover();
  await vi.advanceTimersByTimeAsync(3_000);
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
    const next = new Work(() => undefined, offer(), new Undo());
    void next.recover();
    await vi.advanceTimersByTimeAsync(3_000);
    return next.waiting.map(({ trouble }) => trouble?.sent.action);
  };
  expect(await found()).toEqual(['assign']);
  go();
  await settled();
  expect([work.open?.trouble?.kind, await found()]).toEqual(['network', ['assign']]);
  work.cancel();
  expect(await found()).toEqual([]);
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
  work = new Work(() => undefined, offer({ may: { 'see-incident': 'own', start: 'own', note: 'own' }, agency: 'dlh' }), undo);
  work.show(ID, null);
  await settled();
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

it('what is done to one, and to it among many, goes out in order, each with the version of the one before', async () => {
  const batches: Batches = new Batches(PLAIN_TABLE, undo, () => undefined, undefined, (ids) => work.letGo(ids));
  work = new Work(() => undefined, offer(), undo, (id) => batches.letGo(id));
  work.show(ID, null);
  await settled();
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
  work = new Work(() => undefined, offer(), undo, (id) => batches.letGo(id));
  work.show(ID, null);
  await settled();
  batches.begin([incident(ID)], { action: 'reject', words: 'iseng', agency: null });
  work.begin('note');
  work.type('pelapor sudah ditelepon');
  server.do('verify', {}, 'budi');
  work.submit();
  await waited();
  expect(batches.outcome?.refused.map(({ why }) => why)).toEqual(['conflict']);
  expect([work.open?.trouble?.kind, work.open?.form, work.open?.text]).toEqual(['conflict', 'note', 'pelapor sudah ditelepon']);
});

/** Answers come when they are let go. */
function slow(): { readonly go: () => Promise<unknown> } {
  let waiting: (() => void)[] = [];
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    if (init?.method === 'POST') await new Promise<void>((resolve) => waiting.push(resolve));
    return server.fetch(url, init);
  });
  return {
    go: async () => {
      for (let round = 0; round < 4; round++) {
        const now = waiting;
        waiting = [];
        for (const run of now) run();
        await vi.advanceTimersByTimeAsync(50);
      }
    },
  };
}

const CHECKLIST = ['call', 'pump', 'drain'].map((key) => ({ key, name: { id: key, en: key }, done_at: null, by: null, after_s: null }));
const kept = (): readonly [string, string | undefined][] => readHeld(sessionStorage.getItem('pantau.console.held')).map(({ sent }) => [sent.action, sent.step]);

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
  const next = new Work(() => undefined, offer(), new Undo());
  void next.recover();
  await vi.advanceTimersByTimeAsync(3_000);
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

it('what somebody did between the action on many and the next step is news', async () => {
  const batches: Batches = new Batches(PLAIN_TABLE, undo, () => undefined);
  work = new Work(() => undefined, offer(), undo, (id) => batches.letGo(id));
  work.show(ID, null);
  await settled();
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
    const next = new Work(() => undefined, offer(), new Undo());
    void next.recover();
    await vi.advanceTimersByTimeAsync(3_000);
    return next.waiting.map(({ trouble }) => trouble?.sent.action);
  };
  server.do('assign', { agency: 'bpbd' }, 'budi');
  server.do('assign', { agency: 'pupr' }, 'ani');
  expect(await found()).toEqual(['assign']);
  server.do('assign', { agency: 'bpbd' }, 'ani');
  expect(await found()).toEqual([]);
});
