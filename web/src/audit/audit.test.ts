import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fieldOf, instantOf } from '../paper/zoned';
import { actKey, ACTS } from './acts';
import { auditAddress, EVERYTHING, incidentIn, isEverything, readQuestion, writeQuestion } from './question';
import { csvAddress, decodePage } from './read';

const ID = '019aa0c4-7b1e-7c60-8d52-3f2f6a1b9c04';
const source = (path: string): string => readFileSync(new URL(`../../../src/${path}`, import.meta.url), 'utf8');
/** The names in a piece of the server's source. */
const names = (path: string, begin: string, end: string): string[] => [...(source(path).split(begin)[1]?.split(end)[0] ?? '').matchAll(/"([a-z-]+)"/g)].map(([, name]) => name ?? '');

describe('the acts', () => {
  const all = Object.values(ACTS).flat();

  it('are those that the server tells of, each once', () => {
    const known = [
      ...names('model/vocabulary.rs', 'Action::Verify =>', '}'),
      ...names('model/record.rs', 'RecordKind::LookUp =>', '}'),
      ...names('accounts/log.rs', 'ACCOUNT_ACTIONS: [&str;', '];'),
      ...['erase', 'merge', 'split'],
    ];
    expect([...all].sort()).toEqual([...new Set(known)].sort());
    expect(new Set(all).size).toBe(all.length);
  });

  it('all have words; what a newer server adds has none, and keeps its name', () => {
    for (const act of all) expect(actKey(act), act).not.toBeNull();
    expect(actKey('teleport')).toBeNull();
  });
});

describe('a question', () => {
  const asked = { actor: 'ani', action: 'look-up', incident: ID, sinceMs: Date.parse('2026-11-24T05:00:00Z'), untilMs: null };

  it('stands in the address, comes back from it, and leaves alone what else is there', () => {
    const query = writeQuestion(new URLSearchParams('lang=en&until=2026-11-25T00:00:00Z'), asked);
    expect(new URLSearchParams(query).get('lang')).toBe('en');
    expect(readQuestion(new URLSearchParams(query))).toEqual(asked);
    expect(isEverything(readQuestion(new URLSearchParams(writeQuestion(new URLSearchParams(query), EVERYTHING))))).toBe(true);
    expect(isEverything(asked)).toBe(false);
  });

  it('is the same for a spreadsheet', () => {
    expect(csvAddress(asked)).toBe(`/api/v1/audit.csv?since=2026-11-24T05%3A00%3A00.000Z&actor=ani&action=look-up&incident=${ID}`);
    expect(csvAddress(EVERYTHING)).toBe('/api/v1/audit.csv');
  });

  it('takes an incident as it is copied', () => {
    for (const text of [ID, ID.toUpperCase(), `i:${ID}`, `https://pusat.local/console?incident=i:${ID}&lang=en`]) expect(incidentIn(text), text).toBe(ID);
    expect(incidentIn('muhajirin')).toBeNull();
    expect(readQuestion(new URL(auditAddress(ID, 'en'), 'http://pusat').searchParams).incident).toBe(ID);
    expect(auditAddress(null, 'id')).toBe('/audit');
  });
});

it('a page is decoded where it arrives: what was joined names the other, what was done to an account the account', () => {
  const empty = { seq: null, at: '2026-11-24T05:05:00Z', actor: null, incident: null, from: null, to: null, agency: null, subject: null, network: null, note: null };
  const { lines, next } = decodePage({
    seq: 9,
    next: '1.j.2',
    entries: [
      { ...empty, seq: 8, actor: 'ani', action: 'merge', incident: ID, subject: 'other', from: 'new', to: 'new' },
      { ...empty, action: 'sign-in-refused', subject: 'budi', network: '10.0.0.7' },
    ],
  });
  expect(next).toBe('1.j.2');
  expect(lines.map(({ other, account, network }) => [other, account, network])).toEqual([['other', null, null], [null, 'budi', '10.0.0.7']]);
  expect(() => decodePage({ entries: [{ ...empty, at: 'today', action: 'note' }] })).toThrow('at');
  expect(() => decodePage({})).toThrow('entries');
});

describe('clock times of the city', () => {
  it('are its own, whatever zone the browser is in', () => {
    const at = Date.parse('2026-11-24T05:05:32.900Z');
    expect(fieldOf(at, 'Asia/Jayapura')).toBe('2026-11-24T14:05');
    expect(instantOf('2026-11-24T14:05', 'Asia/Jayapura')).toBe(Date.parse('2026-11-24T05:05:00Z'));
    for (const text of ['', 'kemarin', '2026-13-40T99:99']) expect(instantOf(text, 'Asia/Jayapura'), text).toBeNull();
  });

  it('come back from where they went, also round a summer time', () => {
    for (const timeZone of ['Asia/Jayapura', 'Europe/Berlin', 'Asia/Kathmandu']) {
      // A year in steps that meet every hour of the day, and each hour of the days on which Berlin's clocks change.
      const hours = [...Array.from({ length: 300 }, (_, n) => n * 29), ...Array.from({ length: 48 }, (_, n) => 24 * 87 + n), ...Array.from({ length: 48 }, (_, n) => 24 * 297 + n)];
      for (const hour of hours) {
        const at = Date.UTC(2026, 0, 1) + hour * 3_600_000;
        const text = fieldOf(at, timeZone);
        const back = instantOf(text, timeZone) ?? NaN;
        // An hour that comes twice in autumn is one of the two.
        expect(fieldOf(back, timeZone), `${timeZone} ${text}`).toBe(text);
      }
    }
  });
});
