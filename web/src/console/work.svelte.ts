/** The incident that is open, and those with something unfinished: forms, answers that did not come, conflicts. */
import { ProblemError } from '../feed/http';
import type { Incident } from '../feed/protocol';
import { getCase, isStep, lastSeq, sendAction, since, type CaseFile, type Said, type Sent, type Step } from './casefile';
import { draft, keepDraft } from './drafts';
import { newer } from './queue';
import { formOf, leadsTo, type Action, type Form } from './transitions';

const REFRESH_MS = 1_000;
const RECHECK_MS = 10_000;
/** A second press that was meant for the first question must not answer the second one. */
const SURE_MS = 600;

/** Why an action is not stored. `sent` is what would be sent again. */
export interface Trouble {
  readonly kind: 'conflict' | 'network' | 'denied' | 'refused';
  readonly sent: Sent;
  readonly detail: string;
  readonly at_ms: number;
}

/** All about one incident that the page must not lose while another one is looked at. */
export class Case {
  incident = $state.raw<Incident | null>(null);
  file = $state.raw<CaseFile | null>(null);
  form = $state<Form | null>(null);
  text = $state('');
  sending = $state.raw<Sent | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  /** It cannot be read: unknown, or the line is gone. */
  unread = $state<'missing' | 'failed' | 'denied' | null>(null);
  /** What the operator has seen: its version goes with every action. */
  seen = $state.raw<{ readonly version: number | null; readonly seq: number } | null>(null);

  constructor(readonly id: string) {}

  /** What others did since the operator began to write, or that stands against what was sent. */
  get changes(): readonly (Step | Said)[] {
    if (this.file === null || this.seen === null || (this.form === null && this.trouble?.kind !== 'conflict')) return [];
    return since(this.file, this.seen.seq);
  }

  /** Whether the action that met a conflict is allowed by the state as it is now. */
  get stillPossible(): boolean {
    const action = this.trouble?.sent.action;
    return action !== undefined && this.incident !== null && leadsTo(action, this.incident.status) !== null;
  }

  get unfinished(): boolean {
    return this.trouble !== null || this.sending !== null;
  }

  /** Takes a newer reading; what the operator has seen stays while a question is open. */
  take(file: CaseFile): void {
    this.incident = this.incident === null ? file.incident : newer(file.incident, this.incident);
    if (this.file === null || (file.incident.version ?? 0) >= (this.file.incident.version ?? 0)) this.file = file;
    this.unread = null;
    if (this.seen === null || (this.form === null && this.sending === null && this.trouble === null)) this.see();
  }

  /** The operator looks at the newest state from here on. */
  see(): void {
    if (this.file !== null) this.seen = { version: this.file.incident.version, seq: lastSeq(this.file) };
  }
}

export class Work {
  open = $state.raw<Case | null>(null);
  /** Those that are not open, and whose action is not stored. */
  waiting = $state.raw<readonly Case[]>([]);

  private readonly cases = new Map<string, Case>();
  /** A key that was pressed while the answer to the one before was under way. */
  private queued: { readonly one: Case; readonly action: Action } | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    /** An action was stored, or a newer state was read. */
    private readonly changed: () => void,
  ) {
    setInterval(() => document.hidden || this.poke(), RECHECK_MS);
  }

  show(id: string, incident: Incident | null): void {
    if (this.open?.id === id) return;
    this.leave();
    const found = this.cases.get(id) ?? new Case(id);
    this.cases.set(id, found);
    if (incident !== null) found.incident = found.incident === null ? incident : newer(incident, found.incident);
    this.open = found;
    this.sort();
    void this.read(found);
  }

  close(): void {
    this.leave();
    this.open = null;
    this.sort();
  }

  /** Something changed somewhere: the open incident is read again soon. */
  poke(): void {
    if (this.open === null) return;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      if (this.open !== null) void this.read(this.open);
    }, REFRESH_MS);
  }

  /** The key of an action, or its button. */
  begin(action: Action): void {
    const open = this.open;
    if (open?.incident == null) return;
    if (open.sending !== null) {
      this.queued = { one: open, action };
      return;
    }
    if (open.trouble?.sent.action === action) return this.again();
    if (leadsTo(action, open.incident.status) === null) return;
    const form = formOf(action);
    if (form === null) void this.send(open, { action, version: open.seen?.version ?? open.incident.version, words: '', agency: null });
    else {
      open.trouble = null;
      open.see();
      open.form = form;
      open.text = draft(open.id, form);
    }
  }

  type(text: string): void {
    if (this.open?.form == null) return;
    this.open.text = text;
    keepDraft(this.open.id, this.open.form, text);
  }

  /** The form's own button. */
  submit(agency: string | null = null): void {
    const open = this.open;
    if (open?.form == null || open.sending !== null) return;
    if (open.trouble?.kind === 'conflict') return this.again(agency);
    void this.send(open, { action: open.form, version: open.seen?.version ?? null, words: open.text, agency });
  }

  /** Puts the form away; what was typed stays and is there when it opens again. */
  cancel(): void {
    const open = this.open;
    if (open === null) return;
    open.form = null;
    open.trouble = null;
    if (open.sending === null) open.see();
    this.sort();
  }

  /** After a trouble: sends it again, in a conflict against the state that is shown now. */
  again(agency: string | null = null): void {
    const open = this.open;
    if (open?.trouble == null || open.sending !== null || performance.now() - open.trouble.at_ms < SURE_MS) return;
    const { kind, sent } = open.trouble;
    if (kind === 'conflict') {
      if (!open.stillPossible) return;
      open.see();
    }
    const words = open.form === null ? sent.words : open.text;
    void this.send(open, { ...sent, words, agency: agency ?? sent.agency, version: kind === 'conflict' ? (open.seen?.version ?? null) : sent.version });
  }

  /** What was typed for an action that is not possible any more becomes a note. */
  asNote(): void {
    const open = this.open;
    if (open?.form == null) return;
    const text = open.text;
    keepDraft(open.id, open.form, '');
    open.form = 'note';
    open.trouble = null;
    open.see();
    this.type(text);
  }

  private async send(one: Case, sent: Sent): Promise<void> {
    one.sending = sent;
    one.trouble = null;
    this.queued = null;
    this.sort();
    const form = one.form;
    try {
      const file = await sendAction(one.id, sent);
      if (form !== null) keepDraft(one.id, form, '');
      one.form = null;
      one.text = '';
      one.sending = null;
      one.take(file);
      one.see();
    } catch (error) {
      one.sending = null;
      one.trouble = troubleOf(error, sent);
      if (one.trouble.kind === 'conflict') await this.read(one);
    }
    this.sort();
    this.changed();
    const next = this.queued as { one: Case; action: Action } | null;
    this.queued = null;
    if (next?.one === one && one === this.open && one.trouble === null) this.begin(next.action);
  }

  private async read(one: Case): Promise<void> {
    try {
      one.take(await getCase(one.id));
    } catch (error) {
      const status = error instanceof ProblemError ? error.problem.status : 0;
      one.unread = status === 404 ? 'missing' : status === 401 || status === 403 ? 'denied' : 'failed';
      return;
    }
    if (one === this.open) this.changed();
  }

  private leave(): void {
    const open = this.open;
    // A form with nothing in it needs no remembering.
    if (open === null || open.unfinished || (open.form !== null && open.text !== '')) return;
    this.cases.delete(open.id);
  }

  private sort(): void {
    this.waiting = [...this.cases.values()].filter((one) => one !== this.open && one.trouble !== null);
  }
}

function troubleOf(error: unknown, sent: Sent): Trouble {
  const at_ms = performance.now();
  if (!(error instanceof ProblemError)) return { kind: 'network', sent, detail: '', at_ms };
  const { status } = error.problem;
  const kind = status === 409 ? 'conflict' : status === 401 || status === 403 ? 'denied' : status >= 500 ? 'network' : 'refused';
  return { kind, sent, detail: error.message, at_ms };
}

/** The last step of others, for the line that says what changed. */
export function lastStep(changes: readonly (Step | Said)[]): Step | null {
  return changes.filter(isStep).at(-1) ?? null;
}
