import { describe, expect, it } from 'vitest';
import { makeWords } from '../i18n';
import { axisFor, roundUp, sayLength } from '../paper/spans';
import { midnight, periodOf, readSpan, wholeMonthsFrom } from './period';
import { csvAddress, decodeStatistics, hasNoDeadline, ordered, shareOnTime } from './read';

const indonesian = makeWords('id', 'Asia/Jayapura', 'WIT');
const english = makeWords('en', 'Asia/Jayapura', 'WIT');

const ANSWER = {
  groups: [
    { key: 'dlh', name: { id: 'DLH', en: 'DLH' }, incidents: 10, resolved: 8, on_time: 6, late: 2, with_deadline: 9, median_s: { verify: 120, assign: 300, start: null, resolve: 90_000 }, p90_s: { verify: 600, assign: 900, start: null, resolve: 300_000 } },
    { key: 'pupr', name: { id: 'PUPR', en: 'PUPR' }, incidents: 30, resolved: 0, on_time: 0, late: 0, with_deadline: 0, median_s: { verify: 60 }, p90_s: {} },
  ],
  total: { key: null, name: null, incidents: 40, resolved: 8, on_time: 6, late: 2, with_deadline: 9, median_s: { resolve: 90_000 }, p90_s: {} },
  fewest: 5,
};

describe('the city’s figures', () => {
  it('are read as published, and a step that nobody reached has no time', () => {
    const { groups } = decodeStatistics(ANSWER);
    expect(groups[0]?.medianS).toEqual({ verify: 120, assign: 300, start: null, resolve: 90_000 });
    expect(groups[1]?.p90S.resolve).toBeNull();
    expect(() => decodeStatistics({ groups: [{ key: 'x' }] })).toThrow('incidents');
  });

  it('have a whole, and where nothing was due there is no share', () => {
    const { groups, total, fewest } = decodeStatistics(ANSWER);
    expect([total.incidents, total.name.id, fewest]).toEqual([40, 'Seluruh kota', 5]);
    expect(groups.map(shareOnTime)).toEqual([0.75, null]);
    expect(groups.map(hasNoDeadline)).toEqual([false, true]);
    expect(hasNoDeadline({ incidents: 0, withDeadline: 0 })).toBe(false);
  });

  it('have the most incidents first, and months in their order', () => {
    const { groups } = decodeStatistics(ANSWER);
    expect(ordered('agency', groups).map(({ key }) => key)).toEqual(['pupr', 'dlh']);
    const months = groups.map((group, n) => ({ ...group, key: `2026-1${1 - n}` }));
    expect(ordered('month', months).map(({ key }) => key)).toEqual(['2026-10', '2026-11']);
  });

  it('are there for spreadsheets over the same time', () => {
    expect(csvAddress('area', { since: '2026-09-01T00:00:00Z' })).toBe('/api/v1/statistics.csv?by=area&since=2026-09-01T00%3A00%3A00Z&projection=public');
  });
});

describe('spans of time', () => {
  it('begin with a day of the city', () => {
    const at = Date.parse('2026-11-24T05:05:32.250Z');
    expect(new Date(midnight(at, 'Asia/Jayapura')).toISOString()).toBe('2026-11-23T15:00:00.000Z');
    expect(periodOf('30', at, 'Asia/Jayapura')).toEqual({ since: '2026-10-24T15:00:00.000Z' });
    expect(periodOf('all', at, 'Asia/Jayapura')).toEqual({});
  });

  it('name the first whole month, where one does not begin with them', () => {
    const from = (since?: string): string | null => {
      const ms = wholeMonthsFrom({ since }, 'Asia/Jayapura');
      return ms === null ? null : new Date(ms).toISOString();
    };
    expect(from('2026-10-24T15:00:00.000Z')).toBe('2026-10-31T15:00:00.000Z');
    expect(from('2025-12-02T15:00:00.000Z')).toBe('2025-12-31T15:00:00.000Z');
    // The first of a month in the city, though not yet in Greenwich; and all there is.
    expect(from('2026-10-31T15:00:00.000Z')).toBeNull();
    expect(from()).toBeNull();
  });

  it('are a year unless asked otherwise', () => {
    expect(readSpan(new URLSearchParams('days=30'))).toBe('30');
    expect(readSpan(new URLSearchParams('days=7'))).toBe('365');
  });
});

describe('lengths of time', () => {
  it('are said in the unit that people use for them', () => {
    expect([null, 40, 125, 5_000, 20_000, 300_000].map((s) => sayLength(s, indonesian))).toEqual(['–', '40 dtk', '2 mnt', '83 mnt', '5,6 jam', '3,5 hari']);
    expect(sayLength(86_400 * 3, english)).toBe('3 days');
  });

  it('get an axis that holds them with few round marks', () => {
    for (const largest of [0, 1, 59, 61, 3_599, 4_000, 50_000, 86_401, 1e6, 1e8]) {
      const { max_s, marks_s } = axisFor(largest);
      expect(max_s).toBeGreaterThanOrEqual(largest);
      expect(marks_s.length).toBeLessThanOrEqual(5);
      expect(marks_s.at(-1)).toBe(max_s);
    }
    expect(axisFor(4_000).marks_s).toEqual([0, 1_800, 3_600, 5_400]);
    expect([0, 3, 7, 11, 99, 101, 1_200].map(roundUp)).toEqual([4, 4, 10, 20, 100, 200, 2_000]);
  });
});
