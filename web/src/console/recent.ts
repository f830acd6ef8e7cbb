/** The incidents that were opened last, kept as long as the tab: another shift on the same machine begins with none. */
const STORE = 'pantau.console.recent';
export const RECENT_MAX = 8;

export interface Recent {
  readonly id: string;
  readonly category: string;
  readonly title: string;
}

/** The newest first, each once. */
export function withRecent(all: readonly Recent[], one: Recent): readonly Recent[] {
  return [one, ...all.filter(({ id }) => id !== one.id)].slice(0, RECENT_MAX);
}

export function readRecent(text: string | null): readonly Recent[] {
  try {
    const all: unknown = JSON.parse(text ?? '[]');
    if (!Array.isArray(all)) return [];
    return all.filter((one: Partial<Recent> | null): one is Recent => typeof one?.id === 'string' && typeof one.category === 'string' && typeof one.title === 'string');
  } catch {
    return [];
  }
}

export function loadRecent(): readonly Recent[] {
  try {
    return readRecent(sessionStorage.getItem(STORE));
  } catch {
    return [];
  }
}

export function storeRecent(all: readonly Recent[]): void {
  try {
    sessionStorage.setItem(STORE, JSON.stringify(all));
  } catch {
    // They last as long as the page.
  }
}
