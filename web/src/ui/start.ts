/** What every page does first: read the city and its areas, trying again for ever, and settle language and theme. */
import { retryDelay_ms } from '../feed/backoff';
import { getAreas, getCity, type Area, type City } from '../feed/city';
import type { Query } from '../feed/http';
import { makeWords, pickLang, type Words } from '../i18n';
import type { Theme } from '../map/palette';

export interface Start {
  readonly city: City;
  readonly areas: readonly Area[];
  readonly words: Words;
}

/** `onTrouble` is called after each try that failed, before the next. */
export async function startPage(query: Query, onTrouble: (error: unknown) => void): Promise<Start> {
  for (let attempt = 0; ; attempt++) {
    try {
      const [city, areas] = await Promise.all([getCity(query), getAreas(query)]);
      const lang = pickLang(new URLSearchParams(location.search), city.languages);
      document.documentElement.lang = lang;
      return { city, areas, words: makeWords(lang, city.timeZone, city.timeZoneLabel) };
    } catch (error) {
      onTrouble(error);
      await new Promise((resolve) => setTimeout(resolve, retryDelay_ms(attempt, Math.random())));
    }
  }
}

/** The words of a page that does not know its city yet. */
export function wordsWithoutCity(): Words {
  return makeWords(pickLang(new URLSearchParams(location.search)), 'UTC', 'UTC');
}

export function themeOf(query: URLSearchParams, standard: Theme): Theme {
  const asked = query.get('theme');
  const theme = asked === 'day' || asked === 'dark' ? asked : standard;
  document.documentElement.dataset.theme = theme;
  return theme;
}

/** `a,b` as a list; absent or empty is no list. */
export function listOf(query: URLSearchParams, key: string): readonly string[] | undefined {
  const parts = (query.get(key) ?? '').split(',').filter((part) => part !== '');
  return parts.length > 0 ? parts : undefined;
}
