import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ProblemError, type IncidentPage, type Query } from '../feed/http';
import type { Incident } from '../feed/protocol';
import { decodeCase, type CaseFile } from './casefile';
import { START, type Choice } from './choice';
import { KEEP_MS, OwnStore, OWN_MAX, readOwn, withOwn, type Own } from './mine';
import { COUNT_MS, Mine, toOwnQuery } from './mine.svelte';
import { AT, incident } from './testing';

const own = (id: string, more: Partial<Own> = {}): Own => ({ id, category: 'water', area: 'a1', atMs: 0, ...more });
const choice: Choice = { ...START, tab: 'mine' };

let open: Map<string, Incident>;
let asked: Query[];
let looked: string[];
let account: string;
let now_ms: number;
let store: Map<string, string>;
let mine: Mine;

/** The server, as far as this needs it. */
async function list(query: Query): Promise<IncidentPage> {
  asked.push(query);
  const among = (key: string, value: string | null): boolean => (query[key] ?? '') === '' || String(query[key]).split(',').includes(value ?? '');
  const incidents = [...open.values()].filter(({ category, area }) => among('category', category) && among('area', area));
  return { incidents, matched: incidents.length, seq: 9, next: null };
}

async function look(id: string): Promise<CaseFile> {
  looked.push(id);
  const there = open.get(id);
  if (id === 'i:gone') throw new ProblemError({ type: '/problems/not-found', title: '', detail: '', status: 404 });
  if (id === 'i:lost') throw new TypeError('no network');
  const properties = { kind: 'incident', category: there?.category ?? 'water', area: there?.area ?? null, status: there?.status ?? 'resolved', opened_at: AT, version: 2 };
  return decodeCase({ type: 'Feature', id, geometry: { type: 'Point', coordinates: [127, 1] }, properties });
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  [open, asked, looked, account, now_ms, store] = [new Map(), [], [], 'ani', 1_000_000, new Map()];
  vi.stubGlobal('localStorage', { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, text: string) => void store.set(key, text), removeItem: (key: string) => void store.delete(key) });
  mine = new Mine(() => account, () => choice, list, look, new OwnStore(), () => now_ms);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Somebody has it at the server, and I did something to it. */
function handle(id: string, more: Partial<Incident> = {}): void {
  const one = incident(id, { area: 'a1', status: 'verified', ...more });
  open.set(id, one);
  mine.did([one]);
}
const ids = async (wanted: Choice = choice): Promise<readonly string[]> => (await mine.page(wanted)).incidents.map(({ id }) => id);
const remembered = (): readonly string[] => readOwn(store.get(`pantau.console.mine.${account}`) ?? null).map(({ id }) => id);

it('what one handled is one’s own while it is open, and counted; what others handle is not', async () => {
  handle('i:1');
  handle('i:2', { category: 'garbage', area: 'a2' });
  open.set('i:3', incident('i:3', { area: 'a1' }));
  expect(await ids()).toEqual(['i:1', 'i:2']);
  expect(asked.at(-1)).toMatchObject({ category: 'garbage,water', area: 'a1,a2', sort: 'due_at' });
  expect([mine.count, looked]).toEqual([2, []]);
});

it('what is closed, joined or taken away is looked up and forgotten; what cannot be read is kept', async () => {
  for (const id of ['i:1', 'i:2', 'i:gone', 'i:lost']) handle(id);
  for (const id of ['i:2', 'i:gone', 'i:lost']) open.delete(id);
  expect(await ids()).toEqual(['i:1']);
  expect([...looked].sort()).toEqual(['i:2', 'i:gone', 'i:lost']);
  expect(remembered()).toEqual(['i:lost', 'i:1']);
  // An own step that closes it needs no looking up.
  mine.did([incident('i:1', { status: 'resolved' })]);
  expect(remembered()).toEqual(['i:lost']);
});

it('one that moved to another area is found there', async () => {
  handle('i:1');
  open.set('i:1', incident('i:1', { area: 'a9', status: 'verified' }));
  expect(await ids()).toEqual([]);
  expect(await ids()).toEqual(['i:1']);
});

it('a filter narrows what is shown and counted, and forgets nothing', async () => {
  handle('i:1');
  handle('i:2', { category: 'garbage', area: 'a2' });
  expect(await ids({ ...choice, categories: ['garbage', 'fire'] })).toEqual(['i:2']);
  expect([mine.count, asked.at(-1)?.category]).toEqual([1, 'garbage']);
  const before = asked.length;
  expect(await ids({ ...choice, categories: ['fire'] })).toEqual([]);
  expect([asked.length, mine.count, looked, remembered()]).toEqual([before, 0, [], ['i:2', 'i:1']]);
  expect(toOwnQuery({ ...choice, areas: ['d7'], agencies: ['dlh'], q: 'pipa' }, [own('i:1')])).toEqual({ category: 'water', area: 'd7', agency: 'dlh', q: 'pipa' });
  // Of one outside every area nothing else can be asked for than its category.
  expect(toOwnQuery(choice, [own('i:1'), own('i:2', { area: null })])?.area).toBe('');
});

it('each account has its own, and a step is counted at once, another’s after a while', async () => {
  handle('i:1');
  await vi.advanceTimersByTimeAsync(0);
  expect(mine.count).toBe(1);
  account = 'budi';
  mine.poke(0);
  await vi.advanceTimersByTimeAsync(0);
  expect([mine.count, remembered()]).toEqual([0, []]);
  account = 'ani';
  open.delete('i:1');
  mine.poke();
  await vi.advanceTimersByTimeAsync(COUNT_MS - 1);
  expect(mine.count).toBe(0);
  open.set('i:1', incident('i:1', { area: 'a1' }));
  await vi.advanceTimersByTimeAsync(1);
  expect(mine.count).toBe(1);
});

it('a day after the last own step it is another shift’s; the newest are kept, and a broken store is none', async () => {
  handle('i:1');
  now_ms += KEEP_MS - 1;
  handle('i:2');
  expect(await ids()).toEqual(['i:1', 'i:2']);
  now_ms += 1;
  expect(await ids()).toEqual(['i:2']);
  const many = Array.from({ length: OWN_MAX + 5 }, (_, n) => incident(`i:${n}`, { area: null })).reduce<readonly Own[]>((all, one, n) => withOwn(all, [one], n), []);
  expect([many.length, many[0]?.id, withOwn(many, [incident('i:9')], 500)[0]]).toEqual([OWN_MAX, `i:${OWN_MAX + 4}`, { id: 'i:9', category: 'water', area: null, atMs: 500 }]);
  for (const broken of [null, '', '{', '7', '[null,{"id":3}]']) expect(readOwn(broken)).toEqual([]);
});

it('where the browser stores nothing it lasts as long as the page', async () => {
  vi.stubGlobal('localStorage', undefined);
  handle('i:1');
  expect(await ids()).toEqual(['i:1']);
});
