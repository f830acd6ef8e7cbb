/** What a mark says in words to whoever points at it, and the figure on its rim: as much as who looks may see. Pure. */
import type { Category } from '../feed/city';
import type { Incident, MapItem } from '../feed/protocol';
import type { Words } from '../i18n';
import type { Bubble } from './bubbles';
import type { Picked } from './map';

/** Beyond it a figure would not fit the rim. */
const FIGURE_MAX = 99;

/** The figure on a mark: how many reports stand behind it; null: it is one, and says nothing. */
export function figureOf({ reports }: Pick<Incident, 'reports'>): string | null {
  if (reports <= 1) return null;
  return reports > FIGURE_MAX ? `${FIGURE_MAX}+` : String(reports);
}

type Counted = { readonly reports: number; readonly reporters?: number | undefined };

/** `12 laporan, 9 pelapor`; without the people where those are not told, as to the public. */
export function sayCounts({ reports, reporters }: Counted, words: Pick<Words, 't'>): string {
  const said = words.t('incident.reports', { n: reports });
  return reporters === undefined ? said : `${said}, ${words.t('console.reporters', { n: reporters })}`;
}

/** `Sampah Muhajirin: 12 laporan, 9 pelapor`; empty where there is nothing. */
export function sayPicked(picked: Picked, categories: readonly Category[], words: Pick<Words, 't' | 'pick'>): string {
  switch (picked.kind) {
    case 'incident': {
      const { title, category } = picked.incident;
      const named = categories.find(({ key }) => key === category);
      const name = title ?? named?.name ?? null;
      const counts = sayCounts(picked.incident, words);
      return name === null ? counts : `${words.pick(name)}: ${counts}`;
    }
    case 'bubble':
      return `${words.t('map.incidents', { n: picked.bubble.count })}, ${words.t('incident.reports', { n: reportsOf(picked.bubble) })}`;
    case 'hotspot':
      return `${words.pick(picked.hotspot.name)}: ${sayCounts(picked.hotspot, words)}`;
    case 'nothing':
      return '';
  }
}

function reportsOf({ members }: Pick<Bubble, 'members'>): number {
  return members.reduce((sum, member: MapItem) => sum + member.reports, 0);
}
