/** Which one of a list is chosen while the list changes under the reader: by its key, never by its place. Pure. */

/** Where the chosen one stands; the first, where nothing is chosen or it is gone. */
export function placeOf(keys: readonly string[], chosen: string | null): number {
  return chosen === null ? 0 : Math.max(0, keys.indexOf(chosen));
}

/** The key so many places on; at an end, it stays. */
export function moved(keys: readonly string[], chosen: string | null, by: number): string | null {
  return keys[Math.max(0, Math.min(keys.length - 1, placeOf(keys, chosen) + by))] ?? null;
}
