import { expect, it } from 'vitest';
import { decodeCase, type CaseFile, type Sent } from '../console/casefile';
import { ProblemError } from '../feed/http';
import { Outbox, type Line, type Seen } from './outbox.svelte';
import { BrowserStore, newId, readKept, type Kept, type Store } from './waiting';

const AT = '2026-11-24T05:00:00Z';
const LATER = '2026-11-24T06:00:00Z';
const ID = 'i:7';
const SEEN: Seen = { version: 1, seq: 1, afterMs: 0 };
const note = (words: string): Sent & { action: 'note' } => ({ action: 'note', version: null, words, agency: null });
const answer = (words: string): Sent & { action: 'answer' } => ({ action: 'answer', version: null, words, agency: null });
const problem = (status: number, type: string, detail = ''): ProblemError => new ProblemError({ type: `/problems/${type}`, title: '', detail, status });

class Memory implements Store {
  readonly kept = new Map<string, Kept>();
  all = (): readonly Kept[] => [...this.kept.values()];
  put = (one: Kept): boolean => this.kept.set(one.id, one).size > 0;
  drop = (id: string): void => void this.kept.delete(id);
}

/** The server, as far as this needs it: one incident with a version, a log, and a checklist of one step. */
class Server implements Line {
  version = 1;
  done = false;
  fault: 'none' | 'down' | 'answer lost' | Error = 'none';
  readonly log: object[] = [{ kind: 'report', seq: 1, at: AT, description: 'air meluap' }];
  readonly asked: Sent[] = [];

  do(sent: Sent, actor: string): void {
    if (sent.version !== null && sent.version !== this.version) throw problem(409, 'version');
    this.version += 1;
    if (sent.action === 'check') this.done = sent.done === true;
    this.log.push({ kind: 'action', seq: this.log.length + 1, at: LATER, action: sent.action, from: 'new', to: 'new', actor, note: sent.words || null, step: sent.step ?? null, done: sent.done ?? null });
  }

  send = async (_: string, sent: Sent): Promise<CaseFile> => {
    if (this.fault === 'down') throw new TypeError('no network');
    if (this.fault instanceof Error) throw this.fault;
    this.asked.push(sent);
    this.do(sent, 'ani');
    if (this.fault === 'answer lost') throw new TypeError('the line was cut');
    return this.file();
  };

  read = async (): Promise<CaseFile> => this.file();

  file(): CaseFile {
    const checklist = [{ key: 'pump', name: { id: 'Pompa', en: 'Pump' }, done_at: this.done ? LATER : null, by: null, after_s: null }];
    return decodeCase({ type: 'Feature', id: ID, geometry: { type: 'Point', coordinates: [127.38, 0.79] }, properties: { kind: 'incident', category: 'water', status: 'new', reports: 1, opened_at: AT, updated_at: LATER, version: this.version, log: this.log, checklist } });
  }

  get words(): unknown[] {
    return this.log.slice(1).map((line) => (line as { note: unknown }).note);
  }
}

function street(store = new Memory()): { store: Memory; server: Server; arrived: CaseFile[]; outbox: Outbox } {
  const server = new Server();
  const arrived: CaseFile[] = [];
  const outbox = new Outbox(store, (file) => arrived.push(file), server);
  outbox.meet('ani');
  return { store, server, arrived, outbox };
}

it('is kept before it is sent, and forgotten once the server has it', async () => {
  const { store, server, arrived, outbox } = street();
  const sent = outbox.add(ID, note('pompa tiba'), SEEN);
  expect([store.kept.size, outbox.of(ID)[0]?.state]).toEqual([1, 'sending']);
  await sent;
  expect([store.kept.size, outbox.all.length, server.words, arrived[0]?.incident.version]).toEqual([0, 0, ['pompa tiba'], 2]);
});

it('without a line all of it waits, outlives the page, and goes out in its order', async () => {
  const { store, server, outbox } = street();
  server.fault = 'down';
  await outbox.add(ID, note('satu'), SEEN);
  await outbox.tick(ID, 'pump', true, false, SEEN);
  await outbox.add(ID, answer('pompa sudah dipasang'), SEEN);
  expect([outbox.lost, store.kept.size]).toEqual([3, 3]);

  const next = new Outbox(store, () => undefined, server);
  expect(next.lost).toBe(0);
  server.fault = 'none';
  next.meet('ani');
  await next.again();
  // What one wrote oneself is no news: even the answer goes with the version after the own steps.
  expect([server.asked.map(({ action, version }) => [action, version]), next.all.length, store.kept.size]).toEqual([[['note', 1], ['check', 2], ['answer', 3]], 0, 0]);
});

it('what was stored without an answer is not stored twice, though two notes of the same words are', async () => {
  const { server, outbox } = street();
  server.fault = 'answer lost';
  await outbox.add(ID, note('sudah di lokasi'), SEEN);
  expect([outbox.lost, server.words]).toEqual([1, ['sudah di lokasi']]);
  await outbox.add(ID, note('sudah di lokasi'), SEEN);
  expect([outbox.lost, server.words.length]).toEqual([1, 2]);
  server.fault = 'none';
  await outbox.again();
  expect([outbox.all.length, server.words]).toEqual([0, ['sudah di lokasi', 'sudah di lokasi']]);
});

it('a note does not mind that the incident changed; an answer to a citizen waits until somebody has looked', async () => {
  const { server, arrived, outbox } = street();
  server.do(note('pelapor ditelepon'), 'budi');
  await outbox.add(ID, note('pompa tiba'), SEEN);
  expect([server.words, outbox.all.length]).toEqual([['pelapor ditelepon', 'pompa tiba'], 0]);
  await outbox.add(ID, answer('truk datang jam tujuh'), SEEN);
  const [one] = outbox.of(ID);
  expect([one?.state, server.words.length, arrived.at(-1)?.incident.version]).toEqual(['changed', 2, 3]);
  await outbox.anyway(one?.id ?? '', { version: server.version, seq: 3, afterMs: 0 });
  expect([server.words[2], outbox.all.length]).toEqual(['truk datang jam tujuh', 0]);
});

it('ticking and unticking while nothing goes out is as if nothing had been done', async () => {
  const { server, outbox } = street();
  server.fault = 'down';
  await outbox.tick(ID, 'pump', true, false, SEEN);
  expect(outbox.of(ID).map(({ wish }) => wish.done)).toEqual([true]);
  await outbox.tick(ID, 'pump', false, false, SEEN);
  expect(outbox.all).toEqual([]);
});

it('a step that somebody else has ticked meanwhile is ticked, and noted once', async () => {
  const { server, outbox } = street();
  server.do({ action: 'check', version: null, words: '', agency: null, step: 'pump', done: true }, 'budi');
  await outbox.tick(ID, 'pump', true, false, SEEN);
  expect([outbox.all.length, server.version, server.done]).toEqual([0, 2, true]);
});

it('what the server refuses stays with its reason, until whoever wrote it takes it back', async () => {
  const { store, server, outbox } = street();
  server.fault = problem(409, 'merged', 'it was joined into another one');
  await outbox.add(ID, note('pompa tiba'), SEEN);
  const [one] = outbox.of(ID);
  expect([one?.state, one?.problem?.detail, outbox.lost]).toEqual(['refused', 'it was joined into another one', 0]);
  expect([outbox.drop(one?.id ?? ''), outbox.all.length, store.kept.size]).toEqual([true, 0, 0]);
});

it('a session that ended loses nothing, and nobody sends the words of somebody else', async () => {
  const { store, server, outbox } = street();
  server.fault = problem(401, 'sign-in');
  await outbox.add(ID, note('punya Ani'), SEEN);
  expect(outbox.of(ID).map(({ state, signin }) => [state, signin])).toEqual([['lost', true]]);
  server.fault = 'none';
  const next = new Outbox(store, () => undefined, server);
  next.meet('budi');
  await next.again();
  expect([next.of(ID), server.asked, store.kept.size]).toEqual([[], [], 1]);
  next.meet('ani');
  await next.again();
  expect([server.words, store.kept.size]).toEqual([['punya Ani'], 0]);
});

it('what another tab has sent is not sent again', async () => {
  const { store, server, outbox } = street();
  server.fault = 'down';
  await outbox.add(ID, note('satu'), SEEN);
  store.kept.clear();
  server.fault = 'none';
  await outbox.again();
  expect([server.asked, outbox.all]).toEqual([[], []]);
});

it('the browser keeps each by itself and in order; what it cannot read, or will not keep, stops nobody', () => {
  const held = new Map<string, string>([['pantau.field.waiting.x', '{"id":"x"}'], ['other', '{}']]);
  const storage = { get length() { return held.size; }, key: (n: number) => [...held.keys()][n] ?? null, getItem: (key: string) => held.get(key) ?? null, setItem: (key: string, text: string) => void held.set(key, text), removeItem: (key: string) => void held.delete(key) } as unknown as Storage;
  const store = new BrowserStore(() => storage);
  const kept = (id: string): Kept => ({ id, incident: ID, by: 'ani', wish: note(id), seq: 1, afterMs: 0 });
  const [first, second] = [newId(1_000, 0.9), newId(1_001, 0)];
  expect([store.put(kept(second)), store.put(kept(first))]).toEqual([true, true]);
  expect(store.all().map(({ id }) => id)).toEqual([first, second]);
  store.drop(first);
  expect(store.all().map(({ id }) => id)).toEqual([second]);
  expect(readKept('not json')).toEqual([]);
  const none = new BrowserStore(() => { throw new Error('no storage'); });
  expect([none.put(kept(first)), none.all()]).toEqual([false, []]);
});
