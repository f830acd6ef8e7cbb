/** What an operator typed and did not send yet, by incident and form. It outlives a reload of the page, not the tab. */
import type { Form } from './transitions';

const PREFIX = 'pantau.console.draft.';
const held = new Map<string, string>();

export function draft(incident: string, form: Form): string {
  const key = keyOf(incident, form);
  return held.get(key) ?? stored(key);
}

export function keepDraft(incident: string, form: Form, text: string): void {
  const key = keyOf(incident, form);
  if (text === '') held.delete(key);
  else held.set(key, text);
  try {
    if (text === '') sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  } catch {
    // A browser that stores nothing keeps it while the page lasts.
  }
}

function keyOf(incident: string, form: Form): string {
  return `${PREFIX}${incident}.${form}`;
}

function stored(key: string): string {
  try {
    return sessionStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}
