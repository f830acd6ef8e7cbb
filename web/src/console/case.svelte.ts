/** All about one incident that the page must not lose while another one is looked at. */
import type { Incident, Problem } from '../feed/protocol';
import { lastSeq, since, type CaseFile, type Said, type Sent, type Step } from './casefile';
import { newer } from './queue';
import { formOf, type Action, type Disposition, type Form } from './transitions';
import { UNDO_MS } from './undo.svelte';

/** Why an action is not stored. `sent` is what would be sent again. */
export interface Trouble {
  readonly kind: 'conflict' | 'network' | 'denied' | 'refused';
  readonly sent: Sent;
  /** The server's answer; null: there was none. */
  readonly problem: Problem | null;
  readonly at_ms: number;
}

/** It waits to be sent. */
export interface Held {
  readonly sent: Sent;
  /** By which it can be taken back. */
  readonly no: number;
}

/** What was asked for while something else was under way: whole, or by its key alone. */
export type Next = { readonly sent: Sent } | { readonly action: Action };

export class Case {
  incident = $state.raw<Incident | null>(null);
  file = $state.raw<CaseFile | null>(null);
  form = $state<Form | null>(null);
  text = $state('');
  /** Of a rejection that is being written. */
  disposition = $state<Disposition | null>(null);
  /** Of one that is given back: who would be right. */
  better = $state<string | null>(null);
  sending = $state.raw<Sent | null>(null);
  held = $state.raw<Held | null>(null);
  /** As the incident will be once what waits or is under way is stored. */
  will = $state.raw<Incident | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  /** What follows the one that is under way, or that got no answer, in its order. */
  next = $state.raw<readonly Next[]>([]);
  /** It cannot be read: unknown or another's by now, or the line is gone. */
  unread = $state<'missing' | 'failed' | 'denied' | null>(null);
  /** What the operator has seen: its version goes with every action. */
  seen = $state.raw<{ readonly version: number | null; readonly seq: number } | null>(null);

  /** When the own verification was stored, of `performance.now()`. */
  verified_ms = -Infinity;

  constructor(readonly id: string) {}

  /** As the operator sees it: what was done is shown at once. */
  get shown(): Incident | null {
    return this.will ?? this.incident;
  }

  /** What others did since the operator began to write, or that stands against what was sent. */
  get changes(): readonly (Step | Said)[] {
    if (this.file === null || this.seen === null || (this.form === null && this.trouble?.kind !== 'conflict')) return [];
    return since(this.file, this.seen.seq);
  }

  /** Its step began so lately, by the own hand, that beginning it anew makes no difference to anybody. */
  get freshly(): boolean {
    return this.incident?.status === 'verified' && this.incident.clock?.paused == null && performance.now() - this.verified_ms < UNDO_MS;
  }

  get unfinished(): boolean {
    return this.trouble !== null || this.sending !== null || this.held !== null || this.next.length > 0;
  }

  /** What was done and is not known to be stored: a page that dies now must find it again. */
  get unsent(): readonly Sent[] {
    const first = this.held?.sent ?? this.sending ?? (this.trouble?.kind === 'network' ? this.trouble.sent : null);
    return [...(first === null ? [] : [first]), ...this.next.flatMap((next) => ('sent' in next ? [next.sent] : formOf(next.action) === null ? [plain(next.action)] : []))];
  }

  /** Steps of the checklist on their way, as the operator sees them. */
  get wished(): ReadonlyMap<string, { readonly done: boolean; readonly say: string }> {
    const sent = [...(this.sending === null ? [] : [this.sending]), ...this.next.flatMap((next) => ('sent' in next ? [next.sent] : []))];
    return new Map(sent.flatMap(({ step, done }) => (step === undefined ? [] : [[step, { done: done === true, say: '' }]])));
  }

  /** Takes a newer reading; what the operator has seen stays while a question is open. */
  take(file: CaseFile): void {
    // A clock runs without a new version: of two readings of one version the later one counts.
    this.incident = this.incident === null ? file.incident : newer(this.incident, file.incident);
    if (this.file === null || (file.incident.version ?? 0) >= (this.file.incident.version ?? 0)) this.file = file;
    this.unread = null;
    if (this.seen === null || (this.form === null && !this.unfinished)) this.see();
  }

  /** The operator looks at the newest state from here on. */
  see(): void {
    if (this.file !== null) this.seen = { version: this.file.incident.version, seq: lastSeq(this.file) };
  }

  /** With nothing of a form left. */
  clearForm(): void {
    this.form = null;
    this.text = '';
    this.disposition = null;
    this.better = null;
  }
}

/** An action that is nothing but its name. */
export function plain(action: Action): Sent {
  return { action, version: null, words: '', agency: null };
}
