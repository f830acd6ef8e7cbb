import { expect, it } from 'vitest';
import { STATUSES } from '../feed/protocol';
import { decodeCase, type CaseFile } from './casefile';
import { whyHas } from './describe';
import { incident, offer } from './testing';
import { ACTIONS, decodeTable, formOf, permissionOf, PLAIN_TABLE } from './transitions';

const row = (action: string, from: string, to: string, requires: string[] = [], four_eyes = false) => ({ action, from, to, requires, four_eyes });

/** As a server with the whole life of an incident tells it. */
const TABLE = decodeTable([
  row('verify', 'new', 'verified'),
  row('reject', 'new', 'rejected', ['note', 'disposition']),
  row('start', 'verified', 'in_progress'),
  row('resolve', 'in_progress', 'resolved'),
  row('confirm', 'resolved', 'resolved', [], true),
  row('return', 'in_progress', 'verified', ['note']),
  row('note', 'new', 'new', ['note']),
  row('answer', 'new', 'new', ['note']),
  row('check', 'new', 'new', ['step']),
  row('from_tomorrow', 'new', 'new', ['a_seal']),
]);

function file(properties: Record<string, unknown>): CaseFile {
  const common = { kind: 'incident', category: 'water', status: 'new', opened_at: '2026-11-24T05:00:00Z', version: 1 };
  return decodeCase({ type: 'Feature', id: 'i:7', geometry: { type: 'Point', coordinates: [127, 1] }, properties: { ...common, ...properties } });
}

it('offers what today’s server takes, the usual next step first', () => {
  const may = Object.fromEntries(['verify', 'assign', 'start', 'resolve', 'reject', 'reopen', 'note'].map((one) => [one, 'all'] as const));
  expect(STATUSES.map((status) => offer({ may }).buttons(incident('a', { status }), null).join(' '))).toEqual([
    'verify assign reject note',
    'start assign resolve reject note',
    'resolve assign reject note',
    'reopen note',
    'reopen note',
  ]);
  expect([PLAIN_TABLE.leadsTo('reopen', 'resolved'), PLAIN_TABLE.leadsTo('reopen', 'rejected')]).toEqual(['verified', 'new']);
  expect(ACTIONS.filter((action) => formOf(action) === null)).toEqual(['verify', 'start', 'confirm', 'split', 'resume', 'check']);
});

it('nothing without its permission; an agency only what is its own', () => {
  for (const action of ACTIONS) {
    const all = STATUSES.map((status) => incident('a', { status, agency: 'dlh' }));
    const may = Object.fromEntries(ACTIONS.filter((one) => permissionOf(one) !== permissionOf(action)).map((one) => [permissionOf(one), 'all'] as const));
    expect(all.some((one) => offer({ may }).can(action, one, null)), action).toBe(false);
  }
  const agency = offer({ may: { start: 'own', resolve: 'own', note: 'own', return: 'own' }, agency: 'dlh', table: TABLE });
  const mine = incident('a', { status: 'in_progress', agency: 'dlh' });
  expect(agency.buttons(mine, null)).toEqual(['resolve', 'return']);
  expect(agency.buttons({ ...mine, agency: 'pupr' }, null)).toEqual([]);
  expect(agency.buttons({ ...mine, agency: null }, null)).toEqual([]);
  // Of areas, the server shows their own alone.
  expect(offer({ may: { note: 'own' } }).can('note', mine)).toBe(true);
});

it('the server’s table decides; what this page does not know in it disturbs nothing', () => {
  const all = offer({ table: TABLE });
  expect(all.buttons(incident('a'), file({}))).toEqual(['verify', 'merge', 'reject', 'note', 'answer']);
  // The table knows an action from elsewhere only.
  expect(all.can('note', incident('a', { status: 'resolved' }))).toBe(false);
  expect([TABLE.hasDispositions, PLAIN_TABLE.hasDispositions]).toEqual([true, false]);
  expect(decodeTable({ seq: 3, transitions: [row('verify', 'new', 'verified')] }).leadsTo('verify', 'new')).toBe('verified');
  expect(() => decodeTable([row('verify', 'lost', 'verified')])).toThrow();
});

it('whoever may assign finds giving back in the list of commands', () => {
  const mine = incident('a', { status: 'in_progress', agency: 'dlh' });
  const all = offer({ table: TABLE, may: { assign: 'all', return: 'all', resolve: 'all' } });
  expect([all.buttons(mine, null), all.commands(mine, null)]).toEqual([['resolve', 'return'], ['resolve', 'return']]);
  const plain = offer({ may: { assign: 'all', return: 'all' }, table: decodeTable([row('assign', 'new', 'new'), row('return', 'new', 'new')]) });
  expect([plain.buttons(incident('a', { agency: 'dlh' }), null), plain.commands(incident('a', { agency: 'dlh' }), null)]).toEqual([['assign'], ['assign', 'return']]);
});

it('who resolved it does not confirm it', () => {
  const log = (actor: string) => [
    { kind: 'action', seq: 4, at: '2026-11-24T05:00:00Z', action: 'resolve', from: 'in_progress', to: 'resolved', actor },
    { kind: 'action', seq: 5, at: '2026-11-24T05:01:00Z', action: 'note', from: 'resolved', to: 'resolved', actor: 'ani' },
  ];
  const resolved = incident('a', { status: 'resolved' });
  const all = offer({ table: TABLE, name: 'ani' });
  expect(all.verdict('confirm', resolved, file({ status: 'resolved', log: log('ani') }))).toBe('four_eyes');
  expect(all.verdict('confirm', resolved, file({ status: 'resolved', log: log('budi') }))).toBe('yes');
  expect(all.verdict('confirm', resolved, file({ status: 'resolved', log: log('budi'), confirmed: { at: '2026-11-24T05:02:00Z', by: 'citra' } }))).toBe('no');
});

it('a clock is paused only where one runs, and a join is split only where there is one', () => {
  const clock = { step: 'verify', state: 'ok', dueAtMs: 9, warnAtMs: 5, escalation: 0, paused: null } as const;
  const all = offer();
  expect(all.can('pause', incident('a'))).toBe(false);
  expect([all.can('pause', incident('a', { clock })), all.can('resume', incident('a', { clock }))]).toEqual([true, false]);
  const paused = incident('a', { clock: { ...clock, state: 'paused', paused: { atMs: 3, by: 'ani', note: 'suku cadang' } } });
  expect([all.can('pause', paused), all.can('resume', paused)]).toEqual([false, true]);
  expect(all.can('split', incident('a'), file({}))).toBe(false);
  const joined = file({ merged: [{ incident: '8', at: '2026-11-24T05:00:00Z', by: 'ani', reports: 2 }] });
  expect(all.can('split', incident('a'), joined)).toBe(true);
  // What went into another one is done with here.
  const gone = file({ merged_into: '8' });
  expect(all.buttons(incident('a'), gone)).toEqual([]);
  // Also where nobody says into which one.
  expect(all.buttons(incident('a'), file({ joined: true }))).toEqual([]);
});

it('a photo may be added to what is theirs, or to all', () => {
  const mine = incident('i:1', { agency: 'dlh' });
  const other = incident('i:2', { agency: 'dishub' });
  const agency = offer({ may: { photo: 'own' }, agency: 'dlh' });
  expect([mine, other].map((one) => agency.allows('photo', one))).toEqual([true, false]);
  expect(offer({ may: { photo: 'all' } }).allows('photo', other)).toBe(true);
  expect(offer({ may: {} }).allows('photo', mine)).toBe(false);
});

it('says why the agency has it, unless somebody gave it to another one', () => {
  const why = { id: 'Air bersih di Kalumata ditangani Ake Gaale', en: 'Water in Kalumata goes to Ake Gaale' };
  const routed = file({ routing: { agency: 'ake', why } });
  expect(whyHas(incident('i:7', { agency: 'ake' }), routed)).toEqual(why);
  expect([whyHas(incident('i:7', { agency: 'pupr' }), routed), whyHas(incident('i:7'), routed)]).toEqual([null, null]);
  expect(whyHas(incident('i:7'), file({ routing: { agency: null, why } }))).toBeNull();
});
