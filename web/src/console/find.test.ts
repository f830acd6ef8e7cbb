import { expect, it, vi } from 'vitest';
import type { Area } from '../feed/city';
import { clockSays, escalationSays } from '../ui/deadline';
import { findingKey, meanings } from './find';
import { makeWords } from '../i18n';
import type { Clock } from '../feed/protocol';
import { readHeld } from './held';
import { opposite, versionFor } from './opposite';
import { decodeCase } from './casefile';
import { decodeContacts, dialled } from './contacts';
import { readRecent, RECENT_MAX, withRecent, type Recent } from './recent';
import { decodeSuggestions, openStays, Suggestions } from './suggestions.svelte';
import { incident, offer } from './testing';
import { foreseen } from './work.svelte';
import { PLAIN_TABLE } from './transitions';

const area = (code: string, name: string, level: Area['level'], parent: string | null): Area => ({ code, name, level, parent, approximate: false, label: [127, 1], geometry: { type: 'Polygon', coordinates: [] } });
const AREAS = [area('82', 'Ternate', 'city', null), area('82.01', 'Ternate Selatan', 'district', '82'), area('82.01.1', 'Kalumata', 'village', '82.01'), area('82.01.2', 'Ubo-Ubo', 'village', '82.01'), area('82.01.3', 'Tanah Kalumata Lama', 'village', '82.01')];

it('a typed word is a code, a place, or words; what was opened last where nothing is typed', () => {
  const keys = (text: string): string[] => meanings(text, AREAS, []).map(findingKey);
  expect(keys('tte-7k3m-9qxac')).toEqual(['code-TTE-7K3M-9QXAC']);
  // Who begins with it stands first, and the city is no place to look for.
  expect(keys(' kalu')).toEqual(['area-82.01.1', 'area-82.01.3', 'queue']);
  expect(keys('ternate')).toEqual(['area-82.01', 'queue']);
  expect(keys('ubo ubo')).toEqual(['area-82.01.2', 'queue']);
  expect(keys('ka')).toEqual(['queue']);
  const recent: Recent = { id: 'i:1', category: 'water', title: 'Air mati' };
  expect(meanings('', AREAS, [recent])).toEqual([{ kind: 'recent', recent }]);
});

it('what was opened last is there once, the newest first, and a broken store is none', () => {
  const one = (id: string): Recent => ({ id, category: 'water', title: id });
  const all = ['a', 'b', 'a', ...'cdefghij'].map(one).reduce<readonly Recent[]>(withRecent, []);
  expect(all.map(({ id }) => id).join('')).toBe('jihgfedc');
  expect(all).toHaveLength(RECENT_MAX);
  expect(withRecent(withRecent([], one('a')), one('a'))).toEqual([one('a')]);
  for (const broken of [null, '{', '7', '[null,{"id":3}]']) expect(readRecent(broken)).toEqual([]);
});

it('what waits and cannot be read is nothing', () => {
  const kept = { id: 'i:7', seq: 3, sent: { action: 'verify', version: 1, words: '', agency: null } };
  expect(readHeld(JSON.stringify([kept, null, { id: 'i:8' }, { ...kept, sent: { action: 'explode' } }]))).toEqual([kept]);
  for (const broken of [null, '{', '7']) expect(readHeld(broken)).toEqual([]);
});

it('the clock speaks plainly, and the server’s state is not contradicted', () => {
  const id = makeWords('id', 'Asia/Jayapura', 'WIT');
  const en = makeWords('en', 'Asia/Jayapura', 'WIT');
  const clock = (more: Partial<Clock>): Clock => ({ step: 'verify', state: 'ok', dueAtMs: 3_600_000, warnAtMs: null, escalation: 0, paused: null, ...more });
  const says = (more: Partial<Clock>, nowMs: number): string => clockSays(clock(more), id, nowMs);
  expect(says({}, 3_600_000 - 12 * 60_000)).toBe('sisa 12\u00a0mnt');
  expect(says({ state: 'soon' }, 3_600_000 - 4 * 60_000)).toBe('segera, sisa 4\u00a0mnt');
  expect(says({ state: 'late' }, 3_600_000 + 2 * 3_600_000)).toBe('terlambat 2\u00a0jam');
  expect(says({ state: 'paused' }, 0)).toBe('dijeda');
  // Its time is over, but no beat of the server has said so yet.
  expect(says({ state: 'soon' }, 3_600_000 + 5_000)).toBe('segera, sisa <\u00a01\u00a0mnt');
  expect(clockSays(clock({}), en, 0)).toBe('60 min left'.replace('60 min', en.span(3_600_000)));
  expect([0, 1, 2].map((escalation) => escalationSays(clock({ escalation }), id))).toEqual([null, 'ke penyelia', 'ke pimpinan']);
});

it('only what leaves no trace in status, agency, clock or counts has an opposite', () => {
  const before = incident('i:7', { agency: 'dlh', status: 'in_progress' });
  const plain = { version: 4, words: '', agency: null } as const;
  for (const action of ['verify', 'start', 'resolve', 'confirm', 'reject', 'return', 'reopen', 'note', 'answer'] as const) expect(opposite({ ...plain, action }, before), action).toBeNull();
  expect(opposite({ ...plain, action: 'assign', agency: 'bpbd' }, before)).toEqual({ id: 'i:7', sent: { version: null, words: '', agency: 'dlh', action: 'assign' } });
  expect(opposite({ ...plain, action: 'assign', agency: 'bpbd' }, { ...before, agency: null })).toBeNull();
  // Its time to start would begin anew, twice.
  expect(opposite({ ...plain, action: 'assign', agency: 'bpbd' }, { ...before, status: 'verified' })).toBeNull();
  expect(opposite({ ...plain, action: 'assign', agency: 'bpbd' }, { ...before, status: 'verified' }, true)?.sent).toMatchObject({ action: 'assign', agency: 'dlh' });
  expect(opposite({ ...plain, action: 'merge', other: '8', absorbs: true }, before)).toMatchObject({ id: 'i:7', sent: { action: 'split', other: '8' } });
  expect(opposite({ ...plain, action: 'merge', other: '8', absorbs: false }, before)).toMatchObject({ id: 'i:8', sent: { action: 'split', other: '7' } });
  const split = opposite({ ...plain, action: 'split', other: '8' }, before);
  expect(split).toMatchObject({ id: 'i:7', sent: { action: 'merge', other: '8', absorbs: true } });
  // It is answered with the one that was set free: the one that joining again is asked of.
  const freed = decodeCase({ type: 'Feature', id: 'i:8', geometry: { type: 'Point', coordinates: [127, 1] }, properties: { kind: 'incident', category: 'water', status: 'new', opened_at: '2026-11-24T05:00:00Z', version: 6 } });
  expect(split && versionFor(split, freed)).toBe(6);
  const clock = { step: 'start', state: 'paused', dueAtMs: 9, warnAtMs: 5, escalation: 0, paused: { atMs: 3, by: 'ani', note: 'suku cadang' } } as const;
  expect(opposite({ ...plain, action: 'resume' }, { ...before, clock })?.sent).toMatchObject({ action: 'pause', words: 'suku cadang' });
  expect(opposite({ ...plain, action: 'pause', words: 'x' }, before)?.sent.action).toBe('resume');
});

it('what was done is foreseen as the table has it', () => {
  const before = incident('i:7', { agency: 'dlh' });
  const plain = { version: 1, words: '', agency: null } as const;
  expect(foreseen({ ...plain, action: 'verify' }, before, PLAIN_TABLE).status).toBe('verified');
  expect(foreseen({ ...plain, action: 'assign', agency: 'bpbd' }, before, PLAIN_TABLE)).toMatchObject({ status: 'new', agency: 'bpbd' });
  expect(foreseen({ ...plain, action: 'note' }, before, offer().table)).toEqual(before);
});

it('of two that are joined the one stays that is further, has more reports, or is older', () => {
  const stays = (open: Parameters<typeof incident>[1], other: Parameters<typeof incident>[1]): boolean => openStays(incident('a', open), incident('b', other));
  expect(stays({ status: 'verified' }, { status: 'new', reports: 9 })).toBe(true);
  expect(stays({ status: 'verified', reports: 9 }, { status: 'in_progress' })).toBe(false);
  expect(stays({ reports: 2 }, { reports: 3 })).toBe(false);
  expect(stays({ openedAtMs: 5 }, { openedAtMs: 4 })).toBe(false);
  expect(stays({ openedAtMs: 4 }, { openedAtMs: 4 })).toBe(true);
});

it('suggestions are read strictly', () => {
  const properties = { kind: 'incident', category: 'water', status: 'new', opened_at: '2026-11-24T05:00:00Z', version: 6, reporters: 2 };
  const one = { incident: { type: 'Feature', id: 'i:8', geometry: { type: 'Point', coordinates: [127, 1] }, properties }, distance_m: 80.4, minutes_apart: 12, likeness: 0.4, score: 0.81, why: { id: 'dekat', en: 'near' } };
  expect(decodeSuggestions({ seq: 1, suggestions: [one] })).toMatchObject([{ incident: { id: 'i:8', reporters: 2 }, distance_m: 80.4, minutesApart: 12, score: 0.81, why: { id: 'dekat' } }]);
  expect(() => decodeSuggestions({ suggestions: [{ ...one, score: '1' }] })).toThrow();
});

it('contacts are read as the reporters left them, and dialled without what stands between the digits', () => {
  const read = decodeContacts({ seq: 9, contacts: [{ report: 'x', code: 'TTE-7K3M-9QXAC', name: 'Ani', phone: '+62 812-3456 (7)', email: null }, { code: 'TTE-0000-00000', name: '', phone: null, email: 'a@b.id' }] });
  expect(read).toEqual([{ code: 'TTE-7K3M-9QXAC', name: 'Ani', phone: '+62 812-3456 (7)', email: null }, { code: 'TTE-0000-00000', name: null, phone: null, email: 'a@b.id' }]);
  expect(dialled(read[0]?.phone ?? '')).toBe('+6281234567');
  expect(() => decodeContacts({})).toThrow();
});

it('what is joined, or is being joined, is suggested no more', async () => {
  const suggestion = (id: string): unknown => ({
    incident: { type: 'Feature', id: `i:${id}`, geometry: { type: 'Point', coordinates: [127, 1] }, properties: { kind: 'incident', category: 'water', status: 'new', opened_at: '2026-11-24T05:00:00Z' } },
    distance_m: 12, minutes_apart: 3, likeness: 0.5, score: 0.7, why: { id: 'dekat', en: 'near' },
  });
  vi.stubGlobal('fetch', async () => Response.json({ suggestions: ['8', '9'].map(suggestion) }));
  const suggestions = new Suggestions();
  const ids = (): readonly string[] | undefined => suggestions.found?.map(({ incident: { id } }) => id);
  suggestions.look(incident('i:7'), true);
  await suggestions.ask();
  expect(ids()).toEqual(['i:8', 'i:9']);
  suggestions.look(incident('i:7'), true, ['8']);
  expect(ids()).toEqual(['i:9']);
  // An answer that was on its way does not bring it back.
  await suggestions.ask();
  expect(ids()).toEqual(['i:9']);
  vi.unstubAllGlobals();
});
