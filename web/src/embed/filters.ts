/** The three filters: where, what, and whether resolved incidents are shown too. */
import type { Area, City } from '../feed/city';
import type { Words } from '../i18n';
import type { EmbedChoice } from './choice';
import { el } from './el';

export function makeFilters(
  city: City,
  areas: readonly Area[],
  words: Words,
  start: EmbedChoice,
  change: (choice: EmbedChoice) => void,
): HTMLElement {
  const districts = areas.filter(({ level, code }) => level === 'district' || start.areas.includes(code));
  // Several at once can only come from the address; they stay as one entry of their own.
  const several = (codes: readonly string[], label: string): [string, string][] => (codes.length > 1 ? [[codes.join(','), label]] : []);
  const area = select(
    words.t('filter.area'),
    [['', words.t('filter.area.all')], ...several(start.areas, words.t('filter.area.n', { n: start.areas.length })), ...districts.map(({ code, name }): [string, string] => [code, name])],
    start.areas.join(','),
  );
  const category = select(
    words.t('filter.category'),
    [
      ['', words.t('filter.category.all')],
      ...several(start.categories, words.t('filter.category.n', { n: start.categories.length })),
      ...city.categories.map(({ key, name }): [string, string] => [key, words.pick(name)]),
    ],
    start.categories.join(','),
  );
  const status = select(
    words.t('filter.status'),
    [
      ['open', words.t('embed.status.open')],
      ['resolved', words.t('embed.status.all')],
    ],
    start.resolved ? 'resolved' : 'open',
  );
  const list = (value: string): string[] => value.split(',').filter((part) => part !== '');
  const form = el('form', { 'aria-label': words.t('filter') }, ...(districts.length > 0 ? [area] : []), category, status);
  form.addEventListener('change', () =>
    change({ areas: list(area.value), categories: list(category.value), resolved: status.value === 'resolved' }),
  );
  form.addEventListener('submit', (event) => event.preventDefault());
  return form;
}

function select(label: string, options: readonly [value: string, text: string][], value: string): HTMLSelectElement {
  const element = el('select', { 'aria-label': label }, ...options.map(([key, text]) => el('option', { value: key }, text)));
  element.value = value;
  return element;
}
