/** What the embedding page asks for in the address, and its reader with the three filters. Pure. */
import type { Area, City } from '../feed/city';

export interface EmbedChoice {
  readonly areas: readonly string[];
  readonly categories: readonly string[];
  /** Resolved incidents too. */
  readonly resolved: boolean;
}

/** Names that the city does not have are passed over, and the page says so: an old iframe still shows a map. */
export function readEmbedChoice(query: URLSearchParams, city: Pick<City, 'categories'>, areas: readonly Pick<Area, 'code'>[]): EmbedChoice {
  const list = (key: string): string[] => (query.get(key) ?? '').split(',');
  return {
    areas: list('area').filter((code) => areas.some((area) => area.code === code)),
    categories: list('category').filter((key) => city.categories.some((category) => category.key === key)),
    resolved: list('status').includes('resolved'),
  };
}

/** The address of the full map with the same choice. */
export function fullAddress(query: URLSearchParams, choice: EmbedChoice): string {
  const params = new URLSearchParams();
  if (choice.areas.length > 0) params.set('area', choice.areas.join(','));
  if (choice.categories.length > 0) params.set('category', choice.categories.join(','));
  if (choice.resolved) params.set('status', 'verified,in_progress,resolved');
  const lang = query.get('lang');
  if (lang !== null) params.set('lang', lang);
  const text = params.toString().replaceAll('%2C', ',');
  return text === '' ? '/field' : `/field?${text}`;
}
