/** What waits to be sent, is under way or got no answer, kept in the tab's store, so that a browser that dies meanwhile loses nothing. */
import type { Attempt } from './stored';
import { ACTIONS } from './transitions';

const STORE = 'pantau.console.held';

export interface Kept extends Attempt {
  readonly id: string;
}

/** By who keeps it: one incident's work, one action on many, or the page before until it is known what became of its own. */
export type Keeper = 'work' | 'bulk' | 'before';

const kept = new Map<string, readonly Kept[]>();

export function keepHeld(who: Keeper, all: readonly Kept[]): void {
  kept.set(who, all);
  const every = [...kept.values()].flat();
  try {
    if (every.length === 0) sessionStorage.removeItem(STORE);
    else sessionStorage.setItem(STORE, JSON.stringify(every));
  } catch {
    // A browser that stores nothing: it waits while the page lasts.
  }
}

/** Of the page before this one. */
export function heldBefore(): readonly Kept[] {
  try {
    return readHeld(sessionStorage.getItem(STORE));
  } catch {
    return [];
  }
}

/** What cannot be read is nothing: a broken store must not stop a shift. */
export function readHeld(text: string | null): readonly Kept[] {
  try {
    const all: unknown = JSON.parse(text ?? '[]');
    if (!Array.isArray(all)) return [];
    return all.filter((one: Partial<Kept> | null): one is Kept => typeof one?.id === 'string' && typeof one.seq === 'number' && ACTIONS.some((action) => action === one.sent?.action));
  } catch {
    return [];
  }
}
