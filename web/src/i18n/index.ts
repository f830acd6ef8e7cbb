/**
 * Words, numbers and times in the reader's language and the city's zone.
 * One `Words` is made when a page starts; components get it and never touch `Intl` themselves.
 */
import type { Lang, Localized } from '../feed/protocol';
import { en } from './en';
import { id, type Key } from './id';

export type { Key };

const DICTIONARIES: Record<Lang, Record<Key, string>> = { id, en };
const LOCALES: Record<Lang, string> = { id: 'id-ID', en: 'en-GB' };
const MINUTE_MS = 60_000;

export interface Words {
  readonly lang: Lang;
  t(key: Key, params?: Readonly<Record<string, string | number>>): string;
  /** The right half of a text that the server has in both languages. */
  pick(text: Localized): string;
  number(value: number): string;
  /** `14.05` */
  time(ms: number): string;
  /** `14.05.32` */
  timeWithSeconds(ms: number): string;
  /** `Selasa 24 Nov`, with the year when it is not that of `nowMs`. */
  day(ms: number, nowMs?: number): string;
  /** `24 Nov 2026`, never torn at the end of a line. */
  date(ms: number): string;
  /** `24 Nov 2026 14.05 WIT`, for titles and screen readers. */
  full(ms: number): string;
  /** `12 mnt lalu` */
  age(atMs: number, nowMs: number): string;
  /** `12 mnt` */
  span(ms: number): string;
  /** The hour of the day in the city, 0 to 23. */
  hour(ms: number): number;
  /** `14.05`, or `24 Nov 14.05` when it is not today in the city, with the year when it is another one. */
  timeOrDay(ms: number, nowMs: number): string;
}

export function pickLang(query: URLSearchParams, offered: readonly Lang[] = ['id', 'en']): Lang {
  const asked = query.get('lang');
  if (asked === 'id' || asked === 'en') return asked;
  return offered[0] ?? 'id';
}

/** A page of ours in the reader's language. */
export function pageIn(lang: Lang, path: string): string {
  return lang === 'id' ? path : `${path}${path.includes('?') ? '&' : '?'}lang=${lang}`;
}

export function makeWords(lang: Lang, timeZone: string, zoneLabel: string): Words {
  const locale = LOCALES[lang];
  const dictionary = DICTIONARIES[lang];
  const numbers = new Intl.NumberFormat(locale);
  const clock = { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  const time = new Intl.DateTimeFormat(locale, clock);
  const seconds = new Intl.DateTimeFormat(locale, { ...clock, second: '2-digit' });
  const day = new Intl.DateTimeFormat(locale, { timeZone, weekday: 'long', day: 'numeric', month: 'short' });
  const fullDay = new Intl.DateTimeFormat(locale, { timeZone, weekday: 'long', day: 'numeric', month: 'short', year: 'numeric' });
  const date = new Intl.DateTimeFormat(locale, { timeZone, day: 'numeric', month: 'short' });
  const fullDate = new Intl.DateTimeFormat(locale, { timeZone, day: 'numeric', month: 'short', year: 'numeric' });
  const year = new Intl.DateTimeFormat('en-GB', { timeZone, year: 'numeric' });
  const hour = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' });

  // `{n|report|reports}` is a word that follows a number, for the language that has two of it.
  const t: Words['t'] = (key, params = {}) =>
    dictionary[key].replace(/\{(\w+)\|([^|}]*)\|([^}]*)\}/g, (_, name: string, one: string, many: string) => (params[name] === 1 ? one : many)).replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = params[name];
      if (value === undefined) return whole;
      return typeof value === 'number' ? numbers.format(value) : value;
    });

  const span = (ms: number): string => {
    const minutes = Math.max(0, Math.floor(ms / MINUTE_MS));
    if (minutes < 1) return t('span.now');
    if (minutes < 60) return t('span.min', { n: minutes });
    if (minutes < 48 * 60) return t('span.hour', { n: Math.floor(minutes / 60) });
    return t('span.day', { n: Math.floor(minutes / 1440) });
  };

  return {
    lang,
    t,
    pick: (text) => text[lang],
    number: (value) => numbers.format(value),
    time: (ms) => time.format(ms),
    timeWithSeconds: (ms) => seconds.format(ms),
    day: (ms, nowMs = ms) => (year.format(ms) === year.format(nowMs) ? day : fullDay).format(ms).replace(',', ''),
    date: (ms) => fullDate.format(ms).replaceAll(' ', '\u00a0'),
    full: (ms) => `${fullDate.format(ms)} ${time.format(ms)}\u00a0${zoneLabel}`,
    age: (atMs, nowMs) => {
      const minutes = Math.floor((nowMs - atMs) / MINUTE_MS);
      if (minutes < 1) return t('age.now');
      if (minutes < 60) return t('age.min', { n: minutes });
      if (minutes < 48 * 60) return t('age.hour', { n: Math.floor(minutes / 60) });
      return t('age.day', { n: Math.floor(minutes / 1440) });
    },
    span,
    hour: (ms) => Number(hour.format(ms)),
    timeOrDay: (ms, nowMs) => {
      if (fullDate.format(ms) === fullDate.format(nowMs)) return time.format(ms);
      return `${(year.format(ms) === year.format(nowMs) ? date : fullDate).format(ms)} ${time.format(ms)}`;
    },
  };
}
