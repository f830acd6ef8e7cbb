/** What may be done to an incident, as the server's table of transitions has it, and the key of each action. Pure. */
import { list, object, oneOf, STATUSES, string, type Lang, type Status } from '../feed/protocol';

export const ACTIONS = ['verify', 'assign', 'start', 'resolve', 'confirm', 'reject', 'return', 'reopen', 'note', 'answer', 'merge', 'split', 'pause', 'resume', 'check'] as const;
export type Action = (typeof ACTIONS)[number];

export const DISPOSITIONS = ['duplicate', 'information', 'ghost', 'prank', 'out_of_area', 'invalid'] as const;
/** What a rejected incident was instead. */
export type Disposition = (typeof DISPOSITIONS)[number];

/** By its digit, in a field in which nothing is written yet. */
export function dispositionByDigit(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>, written: string): Disposition | null {
  if (written !== '' || event.ctrlKey || event.metaKey || event.altKey || !/^[1-6]$/.test(event.key)) return null;
  return DISPOSITIONS[Number(event.key) - 1] ?? null;
}

/** One line of the table. What it requires that this page does not know, the server says when it is missing. */
export interface Transition {
  /** As the server names it, also one that this page does not know. */
  readonly action: string;
  readonly from: Status;
  readonly to: Status;
  readonly requires: readonly string[];
  /** Not by the one who took the step before. */
  readonly fourEyes: boolean;
}

/** An answer to the reporter is a note that is not kept inside; the pause of a clock is ended by its own word. */
const PERMISSIONS: Readonly<Partial<Record<Action, string>>> = { resume: 'pause' };

export function permissionOf(action: Action): string {
  return PERMISSIONS[action] ?? action;
}

export function isOpen(status: Status): boolean {
  return status === 'new' || status === 'verified' || status === 'in_progress';
}

export class Table {
  constructor(private readonly transitions: readonly Transition[]) {}

  /** The status that an action leads to, or `null` where it is not allowed. */
  leadsTo(action: Action, from: Status): Status | null {
    const known = this.find(action, from);
    if (known !== undefined) return known.to;
    // What changes no status need not stand in the table.
    if (this.transitions.some((one) => one.action === action)) return null;
    if (action === 'answer' || action === 'split') return from;
    return (action === 'merge' || action === 'pause' || action === 'resume' || action === 'check') && isOpen(from) ? from : null;
  }

  requires(action: Action, from: Status, what: 'note' | 'disposition'): boolean {
    return this.find(action, from)?.requires.includes(what) ?? false;
  }

  fourEyes(action: Action, from: Status): boolean {
    return this.find(action, from)?.fourEyes ?? false;
  }

  /** Whether a rejection says what it was instead. */
  get hasDispositions(): boolean {
    return this.transitions.some(({ action, requires }) => action === 'reject' && requires.includes('disposition'));
  }

  private find(action: Action, from: Status): Transition | undefined {
    return this.transitions.find((one) => one.action === action && one.from === from);
  }
}

export function decodeTable(value: unknown): Table {
  // Bare, or under its name beside the seq.
  const lines = Array.isArray(value) ? value : list(object(value, 'transitions').transitions, 'transitions');
  return new Table(
    lines.map((line) => {
      const o = object(line, 'transition');
      return {
        action: string(o.action, 'action'),
        from: oneOf(STATUSES, o.from, 'from'),
        to: oneOf(STATUSES, o.to, 'to'),
        requires: list(o.requires ?? [], 'requires').map((one) => string(one, 'requires')),
        fourEyes: o.four_eyes === true,
      };
    }),
  );
}

const line = (action: Action, from: Status, to: Status, ...requires: readonly string[]): Transition => ({ action, from, to, requires, fourEyes: false });

/** Of a server that does not tell its table. */
export const PLAIN_TABLE = new Table([
  line('verify', 'new', 'verified'),
  line('start', 'verified', 'in_progress'),
  line('resolve', 'verified', 'resolved'),
  line('resolve', 'in_progress', 'resolved'),
  line('reopen', 'resolved', 'verified'),
  line('reopen', 'rejected', 'new'),
  ...STATUSES.filter(isOpen).flatMap((from) => [line('assign', from, from, 'agency'), line('reject', from, 'rejected', 'note')]),
  ...STATUSES.map((from) => line('note', from, from, 'note')),
]);

/** Their buttons in this order: the usual next step first. Splitting, ticking and the clock have theirs where they are shown. */
export function buttonOrder(status: Status): readonly Action[] {
  const work: readonly Action[] = status === 'verified' ? ['assign', 'resolve'] : ['resolve', 'assign'];
  return ['verify', 'start', 'confirm', ...work, 'merge', 'reject', 'return', 'reopen', 'note', 'answer'];
}

const KEYS: Readonly<Record<Action, string>> = {
  verify: 'V', assign: 'A', start: 'S', resolve: 'R', confirm: 'C', reject: 'X', return: 'B', reopen: 'O', note: 'N', answer: 'W', merge: 'M', split: 'U', pause: 'P', resume: 'P', check: 'L',
};

/** As written on the button. `T` and `A` both assign, in either language. */
export function keyOf(action: Action, lang: Lang): string {
  return action === 'assign' && lang === 'id' ? 'T' : KEYS[action];
}

/** An action that asks for words or a choice first; the others are sent at once. */
export const FORMS = ['assign', 'resolve', 'reject', 'return', 'reopen', 'note', 'answer', 'merge', 'pause'] as const;
export type Form = (typeof FORMS)[number];
/** Forms that are words alone. */
export type WordsForm = Exclude<Form, 'assign' | 'merge'>;

export function formOf(action: Action): Form | null {
  return FORMS.find((form) => form === action) ?? null;
}

/** Whether the action means nothing without words, whatever the table says. */
export function needsWords(form: Form): boolean {
  return form === 'note' || form === 'answer' || form === 'return' || form === 'pause';
}

/** It changes nothing but what is known, and is said as often as there is something to say. */
export function isWords(action: Action): boolean {
  return action === 'note' || action === 'answer';
}

/** What can be done to many at once. */
export const BULK_ACTIONS = ['verify', 'assign', 'reject'] as const;
export type BulkAction = (typeof BULK_ACTIONS)[number];
