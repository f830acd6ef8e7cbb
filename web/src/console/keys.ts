/** Which key does what. Pure: the page tells where the key was pressed. */
import type { Lang } from '../feed/protocol';
import { TABS, type Tab } from './choice';
import type { Action } from './transitions';

export type Command =
  | { readonly do: 'step'; readonly by: 1 | -1 }
  | { readonly do: 'tab'; readonly tab: Tab }
  | { readonly do: 'act'; readonly action: Action }
  | { readonly do: 'search' | 'filters' | 'help' | 'palette' | 'zoom' | 'mark' | 'newest' | 'escape' | 'undo' | 'contacts' | 'replay' | 'photos' | 'late' }
  /** `G` was pressed: the next letter names a tab. */
  | { readonly do: 'wait' };

export interface Press {
  readonly key: string;
  readonly ctrl: boolean;
  readonly meta: boolean;
  readonly alt: boolean;
  /** In a field where letters are text. */
  readonly inText: boolean;
  /** On something that uses arrows, the space bar or Enter itself: a button outside the queue, the map, a select. */
  readonly onControl: boolean;
}

const ACTION_KEYS: Readonly<Record<string, Action>> = {
  v: 'verify', t: 'assign', a: 'assign', s: 'start', r: 'resolve', c: 'confirm', x: 'reject', b: 'return', o: 'reopen', n: 'note', w: 'answer', m: 'merge', u: 'split', p: 'pause', l: 'check',
};
const TAB_LETTERS: Readonly<Record<Lang, string>> = { id: 'btdsm', en: 'nopam' };

/** As written in the help: the letters after `G`. */
export function tabLetter(tab: Tab, lang: Lang): string {
  return (TAB_LETTERS[lang][TABS.indexOf(tab)] ?? '').toUpperCase();
}

/**
 * `waiting`: `G` was pressed just before. `letters`: whether single letters are on (WCAG 2.1.4: a reader who speaks
 * to the machine turns them off).
 */
export function commandOf(press: Press, lang: Lang, waiting = false, letters = true): Command | null {
  const key = press.key.toLowerCase();
  if ((press.ctrl || press.meta) && !press.alt) {
    if (key === 'k') return { do: 'palette' };
    // In a field it takes back letters.
    return key === 'z' && !press.inText ? { do: 'undo' } : null;
  }
  if (press.alt || press.ctrl || press.meta) return null;
  if (key === 'escape') return { do: 'escape' };
  if (press.inText) return null;
  if (!press.onControl) {
    if (key === 'arrowdown') return { do: 'step', by: 1 };
    if (key === 'arrowup') return { do: 'step', by: -1 };
    if (key === ' ') return { do: 'mark' };
    if (key === 'home') return { do: 'newest' };
  }
  if (!letters) return null;
  if (waiting) {
    // A slip after `G` must not become an action.
    const tab = key.length === 1 ? TABS[TAB_LETTERS[lang].indexOf(key)] : undefined;
    return tab === undefined ? null : { do: 'tab', tab };
  }
  const tab = /^[1-9]$/.test(key) ? TABS[Number(key) - 1] : undefined;
  if (tab !== undefined) return { do: 'tab', tab };
  switch (key) {
    case 'j':
      return { do: 'step', by: 1 };
    case 'k':
      return { do: 'step', by: -1 };
    case 'g':
      return { do: 'wait' };
    case '/':
      return { do: 'search' };
    case '?':
      return { do: 'help' };
    case 'z':
      return { do: 'zoom' };
    case 'f':
      return { do: 'filters' };
    case 'h':
      return { do: 'contacts' };
    case 'i':
      return { do: 'photos' };
    case 'd':
      return { do: 'replay' };
    case 'e':
      return { do: 'late' };
  }
  const action = ACTION_KEYS[key];
  return action === undefined ? null : { do: 'act', action };
}
