/** From a report's code to its incident. */
import type { Incident } from '../feed/protocol';
import { getCase } from './casefile';
import { search } from './search';

/** `TTE-7K3M-9QXAC`, in any case, with or without its dashes; null: it is no code. */
export function asCode(text: string): string | null {
  const signs = text.trim().toUpperCase().replace(/[\s-]+/g, '');
  const found = /^([A-Z]{3})([0-9A-Z]{4})([0-9A-Z]{5})$/.exec(signs);
  // Twelve letters in one word may be a word; a code has a digit, or its dashes.
  if (found === null || !(/\d/.test(signs.slice(3)) || /^\S+-\S+-\S+$/.test(text.trim()))) return null;
  return found.slice(1).join('-');
}

/** `null`: there is no such report. */
export async function findByCode(code: string): Promise<Incident | null> {
  const hit = (await search(code)).find((one) => one.kind === 'report' && one.code === code && one.incident !== null);
  return hit?.incident == null ? null : (await getCase(hit.incident)).incident;
}
