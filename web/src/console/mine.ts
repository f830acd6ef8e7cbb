/** Which incidents somebody handled lately, as this browser remembers them for each account. Pure but for the store. */
import type { Incident } from '../feed/protocol';
import { isOpen } from './transitions';

/** What was not touched for a day is another shift's. */
export const KEEP_MS = 24 * 3_600_000;
export const OWN_MAX = 200;
const STORE = 'pantau.console.mine.';

/** With what the list is asked for by: it knows no ids. */
export interface Own {
  /** The feature's. */
  readonly id: string;
  readonly category: string;
  readonly area: string | null;
  /** Of the last own step, by the clock of this machine. */
  readonly atMs: number;
}

export function lately(all: readonly Own[], nowMs: number): readonly Own[] {
  return all.filter(({ atMs }) => atMs > nowMs - KEEP_MS);
}

/** The latest first. What an own step closed is nobody's work any more. */
export function withOwn(all: readonly Own[], handled: readonly Incident[], nowMs: number): readonly Own[] {
  const ids = new Set(handled.map(({ id }) => id));
  const open = handled.filter(({ status }) => isOpen(status)).map(({ id, category, area }) => ({ id, category, area, atMs: nowMs }));
  return [...open, ...lately(all, nowMs).filter(({ id }) => !ids.has(id))].slice(0, OWN_MAX);
}

/** What cannot be read is nothing: a broken store must not stop a shift. */
export function readOwn(text: string | null): readonly Own[] {
  try {
    const all: unknown = JSON.parse(text ?? '[]');
    if (!Array.isArray(all)) return [];
    return all.filter((one: Partial<Own> | null): one is Own => typeof one?.id === 'string' && typeof one.category === 'string' && (one.area === null || typeof one.area === 'string') && typeof one.atMs === 'number');
  } catch {
    return [];
  }
}

/** Of this browser, in all its tabs; where it stores nothing, as long as the page lasts. */
export class OwnStore {
  private readonly memory = new Map<string, readonly Own[]>();

  load(account: string): readonly Own[] {
    try {
      const text = localStorage.getItem(STORE + account);
      return text === null ? (this.memory.get(account) ?? []) : readOwn(text);
    } catch {
      return this.memory.get(account) ?? [];
    }
  }

  keep(account: string, all: readonly Own[]): void {
    this.memory.set(account, all);
    try {
      if (all.length === 0) localStorage.removeItem(STORE + account);
      else localStorage.setItem(STORE + account, JSON.stringify(all));
    } catch {
      // The page keeps it.
    }
  }
}
