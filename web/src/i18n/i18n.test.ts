import { expect, it } from 'vitest';
import { en } from './en';
import { id } from './id';
import { makeWords, pageIn, pickLang } from './index';

const AT_MS = Date.parse('2026-11-24T05:05:32Z');
const indonesian = makeWords('id', 'Asia/Jayapura', 'WIT');
const english = makeWords('en', 'Asia/Jayapura', 'WIT');

it('writes times of the city, 24 hours, as each language does', () => {
  expect(indonesian.timeWithSeconds(AT_MS)).toBe('14.05.32');
  expect(english.timeWithSeconds(AT_MS)).toBe('14:05:32');
  expect(indonesian.day(AT_MS)).toBe('Selasa 24 Nov');
  expect(indonesian.full(AT_MS)).toBe('24 Nov 2026 14.05\u00a0WIT');
});

it('writes ages and numbers', () => {
  expect(indonesian.age(AT_MS - 12 * 60_000, AT_MS)).toBe('12\u00a0mnt lalu');
  expect(indonesian.age(AT_MS - 5_000, AT_MS)).toBe('baru saja');
  expect(english.span(5 * 3_600_000)).toBe('5\u00a0h');
  // What is late by seconds is not “new”.
  expect(indonesian.t('incident.late', { age: indonesian.span(20_000) })).toBe('Terlambat <\u00a01\u00a0mnt');
  expect(indonesian.number(12_345)).toBe('12.345');
  expect(indonesian.t('incident.reports', { n: 1_200 })).toBe('1.200 laporan');
});

it('a time of another day says which, and of another year too', () => {
  const day_ms = 24 * 3_600_000;
  expect(indonesian.timeOrDay(AT_MS, AT_MS)).toBe('14.05');
  expect(indonesian.timeOrDay(AT_MS - day_ms, AT_MS)).toBe('23 Nov 14.05');
  expect(indonesian.timeOrDay(AT_MS - 365 * day_ms, AT_MS)).toBe('24 Nov 2025 14.05');
  expect([0, 365].map((days) => indonesian.day(AT_MS - days * day_ms, AT_MS))).toEqual(['Selasa 24 Nov', 'Senin 24 Nov 2025']);
  expect(english.day(AT_MS - 365 * day_ms, AT_MS)).toBe('Monday 24 Nov 2025');
});

it('counts in words', () => {
  expect([1, 2].map((n) => english.t('incident.reports', { n }))).toEqual(['1 report', '2 reports']);
  expect(indonesian.t('incident.reports', { n: 1 })).toBe('1 laporan');
});

it('both languages fill the same blanks', () => {
  const blanks = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([blank]) => blank).sort();
  for (const key of Object.keys(id) as (keyof typeof id)[]) expect(blanks(en[key]), key).toEqual(blanks(id[key]));
});

it('official alert levels are never words of ours', () => {
  for (const text of Object.values(id)) expect(text).not.toMatch(/\b(siaga|waspada|awas)\b/i);
});

it('the language is Indonesian unless asked otherwise', () => {
  expect(pickLang(new URLSearchParams(''))).toBe('id');
  expect(pickLang(new URLSearchParams('lang=en'))).toBe('en');
  expect(pickLang(new URLSearchParams('lang=fr'))).toBe('id');
});

it('a page leads to others in the language it is read in', () => {
  expect(['/wall', '/console?incident=i:1'].map((path) => pageIn('en', path))).toEqual(['/wall?lang=en', '/console?incident=i:1&lang=en']);
  expect(pageIn('id', '/wall')).toBe('/wall');
});
