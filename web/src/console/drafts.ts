/** What an operator typed and did not send yet, by incident and form. */
import { Drafts } from '../ui/drafts';
import type { Form } from './transitions';

const drafts = new Drafts('pantau.console.draft');

export function draft(incident: string, form: Form): string {
  return drafts.read(`${incident}.${form}`);
}

export function keepDraft(incident: string, form: Form, text: string): void {
  drafts.keep(`${incident}.${form}`, text);
}
