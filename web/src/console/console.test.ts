import { expect, it } from 'vitest';
import type { City } from '../feed/city';
import { STATUSES, type Incident } from '../feed/protocol';
import { ProblemError } from '../feed/http';
import { knownTo } from '../ui/known';
import { able, runBulk } from './bulk';
import { decodeCase, lastSeq, since } from './casefile';
import { moved, placeOf } from './chosen';
import { readChoice, readSaved, START, startFor, tabCount, TABS, toFeedFilter, toQuery, withSaved, writeChoice, SAVED_MAX, type Saved } from './choice';
import { asCode } from './code';
import { commandOf, tabLetter, type Press } from './keys';
import { append, entered, merge, range, step, type Row } from './queue';
import { Offer } from './offer';
import { incident } from './testing';
import { ACTIONS, dispositionByDigit, keyOf, PLAIN_TABLE, type Action } from './transitions';

const rows = (ids: string): readonly Row[] => [...ids].map((id) => ({ incident: incident(id), left: false }));
const read = (ids: string): readonly Incident[] => [...ids].map((id) => incident(id));
const text = (all: readonly Row[]): string => all.map(({ incident, left }) => (left ? `(${incident.id})` : incident.id)).join('');

it('what is open keeps its place when it leaves the list, and nothing else does', () => {
  const check = (before: string, now: string, open: string | null, expected: string): void =>
    expect(text(merge(rows(before), read(now), open === null ? null : incident(open)))).toBe(expected);
  check('abcd', 'acd', 'b', 'a(b)cd');
  check('abcd', 'acd', null, 'acd');
  check('abcd', 'bcd', 'a', '(a)bcd');
  // New ones come in at the top, also right above it.
  check('abcd', 'xabd', 'c', 'xab(c)d');
  check('abc', 'xbc', 'a', 'x(a)bc');
  // The neighbours went too.
  check('abcd', 'd', 'c', '(c)d');
  check('abcd', 'a', 'c', 'a(c)');
  check('abc', '', 'b', '(b)');
  // It was never in this list: it is not put into it.
  check('abc', 'abc', 'z', 'abc');
  // It came back.
  check('abc', 'cba', 'b', 'cba');
});

it('an answer that is older than what the page knows of the open incident does not turn it back', () => {
  const [row] = merge(rows('a'), [incident('a', { version: 1 })], incident('a', { version: 2, status: 'verified' }));
  expect(row?.incident.status).toBe('verified');
  const [later] = merge(rows('a'), [incident('a', { version: 3, status: 'in_progress' })], incident('a', { version: 2 }));
  expect(later?.incident.status).toBe('in_progress');
});

it('new is what came in, not what came up from below', () => {
  expect(entered(rows('abc'), read('xyabc'), true)).toEqual(['x', 'y']);
  expect(entered(rows('abc'), read('xbcd'), false)).toEqual(['x']);
  expect(entered(rows('abc'), read('abcd'), true)).toEqual(['d']);
  expect(entered(rows(''), read('a'), true)).toEqual(['a']);
});

it('another page shows nothing twice', () => {
  expect(text(append(rows('abc'), read('cde')))).toBe('abcde');
});

it('steps to the first, to the neighbours, and stays at the ends', () => {
  const ids = (open: string | null, by: 1 | -1): string | undefined => step(rows('abc'), open, by)?.id;
  expect([ids(null, 1), ids('a', 1), ids('c', 1), ids('a', -1), ids('z', -1)]).toEqual(['a', 'b', 'c', 'a', 'a']);
  expect(step([], null, 1)).toBeNull();
});

it('marks a range in either direction', () => {
  expect(range(rows('abcd'), 'b', 'd')).toEqual(['b', 'c', 'd']);
  expect(range(rows('abcd'), 'c', 'a')).toEqual(['a', 'b', 'c']);
  expect(range(rows('abcd'), 'z', 'a')).toEqual(['a']);
  expect(range(rows('abcd'), null, 'a')).toEqual(['a']);
});

const press = (key: string, more: Partial<Press> = {}): Press => ({ key, ctrl: false, meta: false, alt: false, inText: false, onControl: false, ...more });

it('each action answers to the key that is written on its button, in both languages', () => {
  for (const lang of ['id', 'en'] as const) {
    // One key pauses a clock and lets it run again.
    const own: readonly Action[] = ACTIONS.filter((action) => action !== 'resume');
    expect(new Set(own.map((action) => keyOf(action, lang))).size).toBe(own.length);
    for (const action of own) {
      for (const key of [keyOf(action, lang), keyOf(action, lang).toLowerCase()]) expect(commandOf(press(key), lang), key).toEqual({ do: 'act', action });
    }
    for (const [n, tab] of TABS.entries()) {
      expect(commandOf(press(String(n + 1)), lang)).toEqual({ do: 'tab', tab });
      expect(commandOf(press(tabLetter(tab, lang)), lang, true)).toEqual({ do: 'tab', tab });
    }
  }
});

it('letters are text in a field, the browser keeps its own keys, and letters can be turned off', () => {
  const inText = { inText: true };
  for (const key of ['j', 'v', '/', '?', ' ', 'ArrowDown', '1']) expect(commandOf(press(key, inText), 'id')).toBeNull();
  expect(commandOf(press('Escape', inText), 'id')).toEqual({ do: 'escape' });
  expect(commandOf(press('k', { ...inText, ctrl: true }), 'id')).toEqual({ do: 'palette' });
  expect(commandOf(press('z', { ctrl: true }), 'id')).toEqual({ do: 'undo' });
  expect(commandOf(press('z', { ...inText, ctrl: true }), 'id')).toBeNull();
  expect(commandOf(press('z', { meta: true }), 'id', false, false)).toEqual({ do: 'undo' });
  for (const key of ['r', 'f', 'a', 'n']) expect(commandOf(press(key, { ctrl: true }), 'id')).toBeNull();
  expect(commandOf(press('ArrowDown', { onControl: true }), 'id')).toBeNull();
  expect(commandOf(press(' ', { onControl: true }), 'id')).toBeNull();
  expect(commandOf(press('j', { onControl: true }), 'id')).toEqual({ do: 'step', by: 1 });
  for (const key of ['v', 'r', '1']) expect(commandOf(press(key), 'id', true)).toBeNull();
  for (const key of ['v', 'j', '1', '/']) expect(commandOf(press(key), 'id', false, false)).toBeNull();
  expect(commandOf(press('ArrowDown'), 'id', false, false)).toEqual({ do: 'step', by: 1 });
});

it('the address keeps the choice and what else stands in it', () => {
  const address = 'lang=en&tab=overdue&category=water,garbage&agency=dlh&area=82.71.04&q=banjir&everywhere=1';
  const choice = readChoice(new URLSearchParams(address));
  expect(choice).toEqual({ tab: 'overdue', categories: ['water', 'garbage'], agencies: ['dlh'], areas: ['82.71.04'], q: 'banjir', everywhere: true });
  expect(writeChoice(new URLSearchParams(address), choice)).toBe(address);
  expect(readChoice(new URLSearchParams('tab=lost&everywhere=1'))).toEqual(START);
  // Whoever verifies nothing starts with all that is open, and the address is as short.
  const start = startFor(false);
  expect(readChoice(new URLSearchParams(''), start).tab).toBe('open');
  expect(writeChoice(new URLSearchParams(''), start, start)).toBe('');
  expect(writeChoice(new URLSearchParams(''), START, start)).toBe('tab=new');
});

it('a choice of another city’s pack keeps only what this one knows', () => {
  const choice = readChoice(new URLSearchParams('category=water,lava&agency=dlh,kraton&area=82.71.04,99&q=banjir'));
  const city = { categories: [{ key: 'water' }], agencies: [{ key: 'dlh' }] } as unknown as City;
  expect(knownTo(city, [{ code: '82.71.04' }], choice)).toEqual({ ...choice, categories: ['water'], agencies: ['dlh'], areas: ['82.71.04'] });
});

it('a tab is a question to the list; map and counts are asked for all tabs at once', () => {
  const choice = { ...START, agencies: ['dlh'] };
  expect(TABS.map((tab) => toQuery({ ...choice, tab }))).toMatchObject([{ status: 'new' }, { overdue: 'true', sort: 'due_at' }, { status: 'in_progress' }, { agency: 'dlh' }, { agency: 'dlh' }]);
  expect(toQuery({ ...choice, q: 'banjir', everywhere: true }).status).toBe(STATUSES.join(','));
  expect(TABS.map((tab) => toFeedFilter({ ...choice, tab }))).toEqual(TABS.map(() => ({ agency: ['dlh'] })));
  const stats = { total: 9, byCategory: {}, byStatus: { new: 4, in_progress: 2 }, overdue: 3, openedToday: 0, resolvedToday: 0 };
  expect(TABS.map((tab) => tabCount(tab, stats, 1))).toEqual([4, 3, 2, 9, 1]);
  expect(TABS.map((tab) => tabCount(tab, null, null))).toEqual(TABS.map(() => null));
});

it('saved filters: the newest of a name stands, and what cannot be read is none', () => {
  const one = { name: 'Malam', categories: ['water'], agencies: [] };
  const again = { ...one, categories: ['garbage'] };
  expect(withSaved(withSaved([], one), again)).toEqual([again]);
  expect(readSaved(JSON.stringify([one, null, 7, { name: 3 }]))).toEqual([one]);
  for (const broken of [null, '', '{', '7', '{"name":"x"}']) expect(readSaved(broken)).toEqual([]);
  const many = Array.from({ length: 30 }, (_, n) => ({ ...one, name: String(n) })).reduce<readonly Saved[]>(withSaved, []);
  expect([many.length, many[0]?.name]).toEqual([SAVED_MAX, '29']);
});

it('tells a report’s code from words', () => {
  for (const written of ['TTE-7K3M-9QXAC', 'tte-7k3m-9qxac', ' TTE7K3M9QXAC ', 'TTE 7K3M 9QXAC']) expect(asCode(written), written).toBe('TTE-7K3M-9QXAC');
  for (const words of ['banjir', 'kecelakaans', 'perempatanan', 'TTE-7K3M', 'TTE-7K3M-9QXACX', '']) expect(asCode(words), words).toBeNull();
});

const FILE = {
  type: 'Feature',
  id: 'i:7',
  geometry: { type: 'Point', coordinates: [127.38, 0.79] },
  properties: {
    kind: 'incident',
    category: 'water',
    status: 'verified',
    reports: 1,
    opened_at: '2026-11-24T05:00:00Z',
    updated_at: '2026-11-24T05:05:00Z',
    version: 2,
    log: [
      { kind: 'report', seq: 4, at: '2026-11-24T05:00:00Z', occurred_at: '2026-11-24T04:50:00Z', code: 'TTE-7K3M-9QXAC', channel: 'web', description: 'air mati' },
      { kind: 'action', seq: 6, at: '2026-11-24T05:05:00Z', action: 'verify', from: 'new', to: 'verified', agency: null, actor: 'staff', note: null },
      { kind: 'seen_by_a_newer_server', seq: 8 },
      { kind: 'report', seq: 9, at: '2026-11-24T05:06:00Z', code: 'TTE-0000-00000', description: null },
    ],
  },
};

it('reads a case, and says what happened since the operator looked', () => {
  const file = decodeCase(FILE);
  expect(file.said.map(({ text }) => text)).toEqual(['air mati', '']);
  expect(file.steps.map(({ action, to, note }) => [action, to, note])).toEqual([['verify', 'verified', '']]);
  expect(lastSeq(file)).toBe(9);
  expect(since(file, 4).map(({ seq }) => seq)).toEqual([6, 9]);
  expect(since(file, 9)).toEqual([]);
});

it('many at once: each with the version that was seen, and a refusal stops no neighbour', async () => {
  const all = [incident('a', { version: 3 }), incident('b'), incident('c', { status: 'resolved' }), incident('d')];
  const may = { name: 'ani', role: 'operator', head: false, may: { verify: 'all' }, agency: null } as const;
  const asked = able(all, 'verify', new Offer(PLAIN_TABLE, may));
  expect(asked.map(({ id }) => id)).toEqual(['a', 'b', 'd']);
  expect(able(all, 'reject', new Offer(PLAIN_TABLE, may))).toEqual([]);
  const sent: unknown[] = [];
  const done: number[] = [];
  const result = await runBulk(asked, { action: 'verify', words: '', agency: null }, (n) => done.push(n), async (id, one) => {
    sent.push([id, one.version]);
    if (id === 'b') throw new ProblemError({ type: '/problems/version', title: '', detail: 'x', status: 409 });
    if (id === 'd') throw new TypeError('no network');
    return decodeCase({ ...FILE, properties: { ...FILE.properties, version: 4 } });
  });
  expect(sent).toEqual([['a', 3], ['b', 1], ['d', 1]]);
  expect(result.stored).toEqual(['a']);
  expect(result.versions).toEqual(new Map([['a', 4]]));
  expect(result.refused.map(({ incident: { id }, why }) => [id, why])).toEqual([['b', 'conflict'], ['d', 'network']]);
  expect(done).toEqual([1, 2, 3]);
});

it('of many, only what somebody was faster at counts as changed; any other refusal keeps its reason', async () => {
  const kinds = [['version', 409], ['transition', 409], ['archived', 409], ['four-eyes', 409], ['forbidden', 403], ['invalid-body', 422], ['disk-full', 507]] as const;
  const all = kinds.map(([kind]) => incident(kind));
  const { refused } = await runBulk(all, { action: 'verify', words: '', agency: null }, () => undefined, async (id) => {
    throw new ProblemError({ type: `/problems/${id}`, title: '', detail: 'in English', status: kinds.find(([kind]) => kind === id)?.[1] ?? 0 });
  });
  // As they are answered, in any order.
  expect(Object.fromEntries(refused.map(({ incident: { id }, why, problem }) => [id, [why, problem?.type]]))).toEqual(
    Object.fromEntries([['version', 'conflict'], ['transition', 'conflict'], ['archived', 'refused'], ['four-eyes', 'refused'], ['forbidden', 'denied'], ['invalid-body', 'refused'], ['disk-full', 'network']].map(([kind, why]) => [kind, [why, `/problems/${kind}`]])),
  );
});

it('what is chosen stays chosen when others come before it, and at an end it stays', () => {
  const before = ['a', 'b', 'c'];
  const chosen = moved(before, null, 1);
  expect([chosen, placeOf(['x', 'a', 'b', 'c'], chosen), placeOf(['a', 'c'], chosen)]).toEqual(['b', 2, 0]);
  expect([moved(before, 'c', 1), moved(before, 'a', -1), moved(before, null, 8), moved([], 'a', 1)]).toEqual(['c', 'a', 'c', null]);
});

it('a digit says what a rejected incident was, as long as nothing is written', () => {
  const press = (key: string, more = {}): Parameters<typeof dispositionByDigit>[0] => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });
  expect(['1', '4', '6', '7', '0', 'a'].map((key) => dispositionByDigit(press(key), ''))).toEqual(['duplicate', 'prank', 'invalid', null, null, null]);
  expect([dispositionByDigit(press('1'), 'rumah nomor '), dispositionByDigit(press('1', { ctrlKey: true }), '')]).toEqual([null, null]);
});
