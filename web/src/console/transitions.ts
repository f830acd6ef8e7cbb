/** What may be done to an incident, as the server's table of transitions has it, and the key of each action. Pure. */
import type { Lang, Status } from '../feed/protocol';

export const ACTIONS = ['verify', 'assign', 'start', 'resolve', 'reject', 'reopen', 'note'] as const;
export type Action = (typeof ACTIONS)[number];

/** The status that an action leads to, or `null` where it is not allowed. */
export function leadsTo(action: Action, from: Status): Status | null {
  const open = from === 'new' || from === 'verified' || from === 'in_progress';
  switch (action) {
    case 'verify':
      return from === 'new' ? 'verified' : null;
    case 'assign':
      return open ? from : null;
    case 'start':
      return from === 'verified' ? 'in_progress' : null;
    case 'resolve':
      return from === 'verified' || from === 'in_progress' ? 'resolved' : null;
    case 'reject':
      return open ? 'rejected' : null;
    case 'reopen':
      return from === 'resolved' ? 'verified' : from === 'rejected' ? 'new' : null;
    case 'note':
      return from;
  }
}

/** The allowed ones as their buttons stand: the usual next step first. */
export function actionsFor(status: Status): readonly Action[] {
  const order: readonly Action[] = ['verify', 'start', 'reopen', ...(status === 'verified' ? (['assign', 'resolve'] as const) : (['resolve', 'assign'] as const)), 'reject', 'note'];
  return order.filter((action) => leadsTo(action, status) !== null);
}

/** As written on the button. `T` and `A` both assign, in either language. */
export function keyOf(action: Action, lang: Lang): string {
  if (action === 'assign') return lang === 'id' ? 'T' : 'A';
  return { verify: 'V', start: 'S', resolve: 'R', reject: 'X', reopen: 'O', note: 'N' }[action];
}

/** An action that asks for words or a choice first; the others are sent at once. */
export const FORMS = ['assign', 'resolve', 'reject', 'reopen', 'note'] as const;
export type Form = (typeof FORMS)[number];

export function formOf(action: Action): Form | null {
  return FORMS.find((form) => form === action) ?? null;
}

/** Whether the server takes the action without words. */
export function needsWords(form: Form): boolean {
  return form === 'reject' || form === 'note';
}

/** What can be done to many at once. */
export const BULK_ACTIONS = ['verify', 'assign', 'reject'] as const;
export type BulkAction = (typeof BULK_ACTIONS)[number];
