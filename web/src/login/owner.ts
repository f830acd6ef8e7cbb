/** What a tab keeps (drafts, what waits to be sent, what was opened last) is whoever's who is signed in, and not the next one's on the same machine. */
const OWNER = 'pantau.owner';
const OURS = 'pantau.';

type Keeping = Pick<Storage, 'length' | 'key' | 'getItem' | 'setItem' | 'removeItem'>;

/** Of somebody else nothing is left; of the same one, back after a session that ended, everything is. */
export function keepFor(name: string, tab?: Keeping): void {
  try {
    const store = tab ?? sessionStorage;
    const owner = store.getItem(OWNER);
    if (owner === name) return;
    if (owner !== null) {
      const keys = Array.from({ length: store.length }, (_, n) => store.key(n));
      for (const key of keys) if (key?.startsWith(OURS) === true) store.removeItem(key);
    }
    store.setItem(OWNER, name);
  } catch {
    // A browser that stores nothing has nothing to forget.
  }
}
