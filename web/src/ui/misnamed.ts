/** What the address of a page names and the city does not have, in words of whoever can put it right. Pure. */
import type { Area, City } from '../feed/city';
import type { Words } from '../i18n';
import { knownTo } from './known';

export interface Misnamed {
  readonly key: 'category' | 'area' | 'box';
  /** What is wrong, and what is shown instead. */
  readonly what: string;
  /** What can be written. */
  readonly instead: string;
}

interface Asked {
  readonly categories: readonly string[];
  readonly areas: readonly string[];
  /** There is one, and it cannot be read. */
  readonly boxUnread?: boolean;
}

/** An address may hold anything: it is told apart by its beginning. */
const SHOWN = 4;
const CHARS_MAX = 32;

export function misnamed(city: City, areas: readonly Area[], words: Words, asked: Asked): readonly Misnamed[] {
  const known = knownTo(city, areas, asked);
  const all: Misnamed[] = [];
  const category = (key: string): string => words.pick(city.categories.find((one) => one.key === key)?.name ?? { id: key, en: key });
  const area = (code: string): string => areas.find((one) => one.code === code)?.name ?? code;
  if (known.categories.length < asked.categories.length) {
    const shown = known.categories.length === 0 ? words.t('address.category.all') : words.t('address.rest', { names: known.categories.map(category).join(', ') });
    all.push({ key: 'category', what: `${words.t('address.category', { names: wrong(asked.categories, known.categories) })} ${shown}`, instead: words.t('address.instead', { names: city.categories.map(({ key }) => key).join(', ') }) });
  }
  if (known.areas.length < asked.areas.length) {
    const shown = known.areas.length === 0 ? words.t('address.area.all') : words.t('address.rest', { names: known.areas.map(area).join(', ') });
    const districts = areas.filter(({ level }) => level === 'district');
    const named = (districts.length > 0 ? districts : areas).slice(0, 12).map(({ code, name }) => `${code} ${name}`);
    all.push({ key: 'area', what: `${words.t('address.area', { names: wrong(asked.areas, known.areas) })} ${shown}`, instead: words.t('address.instead', { names: named.join(', ') }) });
  }
  if (asked.boxUnread === true) all.push({ key: 'box', what: `${words.t('address.box')} ${words.t('address.area.all')}`, instead: words.t('address.box.do', { example: (city.bounds ?? [127.3, 0.7, 127.4, 0.9]).map((degrees) => degrees.toFixed(2)).join(',') }) });
  return all;
}

function wrong(asked: readonly string[], known: readonly string[]): string {
  const names = asked.filter((name) => !known.includes(name)).map((name) => (name.length > CHARS_MAX ? `${name.slice(0, CHARS_MAX)}…` : name));
  return [...names.slice(0, SHOWN), ...(names.length > SHOWN ? ['…'] : [])].join(', ');
}
