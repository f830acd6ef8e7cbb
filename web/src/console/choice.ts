/** What an operator chose to see, as the page's address keeps it, and the choices saved by name. Pure but for the store. */
import type { FeedFilter } from '../feed/live';
import type { Query } from '../feed/http';
import { STATUSES, type Stats } from '../feed/protocol';

export const TABS = ['new', 'overdue', 'in_progress', 'open', 'mine'] as const;
export type Tab = (typeof TABS)[number];

export interface Choice {
  readonly tab: Tab;
  /** Empty: all. */
  readonly categories: readonly string[];
  /** Empty: all. */
  readonly agencies: readonly string[];
  /** Villages and districts by their codes. Empty: all. */
  readonly areas: readonly string[];
  readonly q: string;
  /** With words: closed incidents are searched too, whatever the tab. */
  readonly everywhere: boolean;
}

export const START: Choice = { tab: 'new', categories: [], agencies: [], areas: [], q: '', everywhere: false };

/** Whoever does not verify has no work among the new ones. */
export function startFor(verifies: boolean): Choice {
  return verifies ? START : { ...START, tab: 'open' };
}

export function readChoice(query: URLSearchParams, start = START): Choice {
  const list = (key: string): string[] => (query.get(key) ?? '').split(',').filter((part) => part !== '');
  const q = query.get('q')?.trim() ?? '';
  return {
    tab: TABS.find((tab) => tab === query.get('tab')) ?? start.tab,
    categories: list('category'),
    agencies: list('agency'),
    areas: list('area'),
    q,
    everywhere: q !== '' && query.get('everywhere') === '1',
  };
}

/** `query` with the choice in it; what the choice does not know, such as `lang`, stays. */
export function writeChoice(query: URLSearchParams, choice: Choice, start = START): string {
  const next = new URLSearchParams(query);
  const set = (key: string, value: string): void => (value === '' ? next.delete(key) : next.set(key, value));
  set('tab', choice.tab === start.tab ? '' : choice.tab);
  set('category', choice.categories.join(','));
  set('agency', choice.agencies.join(','));
  set('area', choice.areas.join(','));
  set('q', choice.q);
  set('everywhere', choice.everywhere && choice.q !== '' ? '1' : '');
  return next.toString().replaceAll('%2C', ',');
}

/** For the list: the tab is a status or what is late; each has the order in which it is worked off. */
export function toQuery(choice: Choice): Query {
  const filter = toPastQuery(choice);
  if (choice.q !== '' && choice.everywhere) return { ...filter, status: STATUSES.join(',') };
  switch (choice.tab) {
    case 'new':
      return { ...filter, status: 'new' };
    case 'overdue':
      return { ...filter, overdue: 'true', sort: 'due_at' };
    case 'in_progress':
      return { ...filter, status: 'in_progress', sort: 'due_at' };
    case 'open':
    case 'mine':
      // Which of them are one's own the page knows (`mine.svelte.ts`).
      return filter;
  }
}

/** Of what was known at a moment of the past, whatever the tab. */
export function toPastQuery(choice: Choice): Query {
  return { category: choice.categories.join(','), agency: choice.agencies.join(','), area: choice.areas.join(','), q: choice.q };
}

/** For map and counts: all that is open, so that one subscription counts every tab. */
export function toFeedFilter(choice: Choice): FeedFilter {
  return {
    ...(choice.categories.length > 0 && { category: choice.categories }),
    ...(choice.agencies.length > 0 && { agency: choice.agencies }),
    ...(choice.areas.length > 0 && { area: choice.areas }),
    ...(choice.q !== '' && { q: choice.q }),
  };
}

/** `mine` is counted by the page; null: not yet. */
export function tabCount(tab: Tab, stats: Stats | null, mine: number | null): number | null {
  if (tab === 'mine') return mine;
  if (stats === null) return null;
  if (tab === 'overdue') return stats.overdue;
  return tab === 'open' ? stats.total : (stats.byStatus[tab] ?? 0);
}

export function sameFilter(a: Choice, b: Choice): boolean {
  return JSON.stringify(toFeedFilter(a)) === JSON.stringify(toFeedFilter(b));
}

/** A choice with a name, kept in this browser. */
export interface Saved {
  readonly name: string;
  readonly categories: readonly string[];
  readonly agencies: readonly string[];
}

const STORE = 'pantau.console.filters';
export const SAVED_MAX = 20;
export const NAME_CHARS_MAX = 40;

/** What cannot be read is no filter: a broken store must not stop a shift. */
export function readSaved(text: string | null): readonly Saved[] {
  try {
    const all: unknown = JSON.parse(text ?? '[]');
    if (!Array.isArray(all)) return [];
    const strings = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []);
    return all.flatMap((one: { name?: unknown; categories?: unknown; agencies?: unknown } | null) =>
      typeof one?.name === 'string' ? [{ name: one.name, categories: strings(one.categories), agencies: strings(one.agencies) }] : [],
    );
  } catch {
    return [];
  }
}

/** The newest of one name stands, first in the list. */
export function withSaved(all: readonly Saved[], one: Saved): readonly Saved[] {
  return [one, ...all.filter(({ name }) => name !== one.name)].slice(0, SAVED_MAX);
}

export function loadSaved(): readonly Saved[] {
  try {
    return readSaved(localStorage.getItem(STORE));
  } catch {
    return [];
  }
}

export function storeSaved(all: readonly Saved[]): void {
  try {
    localStorage.setItem(STORE, JSON.stringify(all));
  } catch {
    // A browser that keeps nothing: the filters last as long as the page.
  }
}
