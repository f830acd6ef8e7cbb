/** What is to be sent from the street, kept in this browser: a phone forgets its pages, and may have no network for an hour. */
import type { Sent } from '../console/casefile';

/** A note, an answer to whoever reported, or a step of the checklist. */
export type WishAction = 'note' | 'answer' | 'check';
export type Wish = Sent & { readonly action: WishAction };

export interface Kept {
  readonly id: string;
  /** The feature id. */
  readonly incident: string;
  /** The account that wrote it: nobody else sends it. */
  readonly by: string;
  readonly wish: Wish;
  /** What was seen of the incident when it was written, as `Attempt` has it. */
  readonly seq: number;
  readonly afterMs: number;
}

export interface Store {
  all(): readonly Kept[];
  /** False: this browser keeps nothing. */
  put(one: Kept): boolean;
  drop(id: string): void;
}

const KEY = 'pantau.field.waiting.';
const ACTIONS: readonly string[] = ['note', 'answer', 'check'] satisfies readonly WishAction[];

/** One entry for each, so that two tabs do not write over each other's. */
export class BrowserStore implements Store {
  constructor(private readonly storage: () => Storage = () => localStorage) {}

  all(): readonly Kept[] {
    try {
      const storage = this.storage();
      const keys = Array.from({ length: storage.length }, (_, n) => storage.key(n) ?? '').filter((key) => key.startsWith(KEY));
      return keys.flatMap((key) => readKept(storage.getItem(key))).sort((a, b) => a.id.localeCompare(b.id));
    } catch {
      return [];
    }
  }

  put(one: Kept): boolean {
    try {
      this.storage().setItem(KEY + one.id, JSON.stringify(one));
      return true;
    } catch {
      return false;
    }
  }

  drop(id: string): void {
    try {
      this.storage().removeItem(KEY + id);
    } catch {
      // What was never kept need not go.
    }
  }
}

/** What cannot be read is nothing. */
export function readKept(text: string | null): readonly Kept[] {
  try {
    const one = JSON.parse(text ?? 'null') as Partial<Kept> | null;
    const whole = typeof one?.id === 'string' && typeof one.incident === 'string' && typeof one.by === 'string' && typeof one.seq === 'number' && typeof one.afterMs === 'number';
    return whole && typeof one.wish?.words === 'string' && ACTIONS.includes(one.wish.action) ? [one as Kept] : [];
  } catch {
    return [];
  }
}

/** In the order in which they are made, also across pages. */
export function newId(atMs = Date.now(), chance = Math.random()): string {
  return `${atMs.toString(36).padStart(9, '0')}-${Math.floor(chance * 36 ** 4).toString(36).padStart(4, '0')}`;
}
