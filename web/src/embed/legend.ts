/** What the signs on the map mean, with the number of incidents of each category. */
import type { City } from '../feed/city';
import type { Stats } from '../feed/protocol';
import type { Words } from '../i18n';
import { iconPath, ICON_BOX } from '../map/icons';
import type { Theme } from '../map/palette';
import { el, icon } from './el';

export interface Legend {
  readonly element: HTMLElement;
  count(stats: Stats | null): void;
}

export function makeLegend(city: City, words: Words, theme: Theme): Legend {
  const numbers = new Map(city.categories.map(({ key }) => [key, el('b', {}, '')]));
  const rows = city.categories.map(({ key, name, icon: sign, colour }) =>
    el('li', { 'data-category': key }, icon(iconPath(sign), ICON_BOX, colour[theme]), words.pick(name), numbers.get(key) ?? ''),
  );
  const states = (['verified', 'in_progress', 'resolved'] as const).map((status) =>
    el('li', {}, el('i', { class: `ring ${status}`, 'aria-hidden': 'true' }), words.t(`status.${status}`)),
  );
  const hotspot = el('li', {}, el('i', { class: 'hot', 'aria-hidden': 'true' }), words.t('embed.hotspot'));
  return {
    element: el('section', { class: 'legend', 'aria-label': words.t('legend') }, el('ul', {}, ...rows), el('ul', { class: 'states' }, ...states, hotspot)),
    count(stats) {
      for (const [key, number] of numbers) number.textContent = stats === null ? '' : words.number(stats.byCategory[key] ?? 0);
    },
  };
}
