/** The incident that is open, and those with something unfinished: forms, what waits, answers that did not come, conflicts. */
import { ProblemError } from '../feed/http';
import type { Incident } from '../feed/protocol';
import type { Made, OwnStep } from './bulk';
import { hasChanged, problemOf } from '../ui/problem';
import { Case, plain, type Next, type Trouble } from './case.svelte';
import { bare, getCase, isStep, lastSeq, sendAction, since, type CaseFile, type Sent } from './casefile';
import { draft, keepDraft } from './drafts';
import { heldBefore, keepHeld } from './held';
import { leaving } from './leaving';
import type { Offer } from './offer';
import { opposite, versionFor, type Opposite } from './opposite';
import { newer } from './queue';
import { storedAt, type Attempt } from './stored';
import { formOf, isWords, type Action, type Form, type Table } from './transitions';
import type { Undo } from './undo.svelte';

const REFRESH_MS = 1_000;
const RECHECK_MS = 10_000;
/** A second press that was meant for the first question must not answer the second one. */
const SURE_MS = 600;
const LAST_BREATH_MS = 2_000;
/** What adding a photo, or making it public, is called in the history. */
const OWN_DOING: readonly string[] = ['photo', 'release', 'withdraw'];

export class Work {
  open = $state.raw<Case | null>(null);
  /** Those that are not open, and whose action is not stored. */
  waiting = $state.raw<readonly Case[]>([]);
  /** As the operator sees those whose action waits to be sent, by id. */
  will = $state.raw<ReadonlyMap<string, Incident>>(new Map());
  /** A role may change while the page is open. */
  offer: Offer = $state.raw() as unknown as Offer;

  private readonly cases = new Map<string, Case>();
  /** When what was last sent of each is answered. */
  private readonly answered = new WeakMap<Case, Promise<void>>();
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    /** An action was stored, or a newer state was read. */
    private readonly changed: () => void,
    offer: Offer,
    private readonly undo: Undo,
    /** Sends what is to be done to it with others; null: nothing is. Resolves to what it made of it; null: it was not stored. */
    private readonly bulk: (id: string) => Promise<Made | null> | null = () => null,
    /** A step of one's own is stored: the incident as it is after it. */
    private readonly did: (incident: Incident) => void = () => undefined,
  ) {
    this.offer = offer;
    setInterval(() => document.hidden || this.recheck(), RECHECK_MS);
  }

  show(id: string, incident: Incident | null): void {
    if (this.open?.id === id) return;
    this.leave();
    const found = this.caseOf(id);
    if (incident !== null) found.incident = found.incident === null ? incident : newer(found.incident, incident);
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

  /** Something is being written, waits, is under way or was refused. What got no answer is found by the next page. */
  get busy(): boolean {
    const seen = [...(this.open === null ? [] : [this.open]), ...this.waiting];
    return this.will.size > 0 || seen.some(({ form, sending, trouble }) => form !== null || sending !== null || (trouble !== null && trouble.kind !== 'network'));
  }

  /** Whether the open incident, as it is shown, allows it. */
  can(action: Action): boolean {
    return this.open !== null && this.allows(this.open, action);
  }

  private allows(one: Case, action: Action): boolean {
    return one.shown !== null && this.offer.can(action, one.shown, one.file);
  }

  /** What got no answer may be stored all the same, also where nobody looks at it. */
  private recheck(): void {
    this.poke();
    for (const one of this.waiting) if (one.trouble?.kind === 'network') void this.read(one);
  }

  /** Whether the action that met a conflict is allowed by the state as it is now. */
  get stillPossible(): boolean {
    const open = this.open;
    return open?.trouble != null && open.incident !== null && this.offer.can(open.trouble.sent.action, open.incident, open.file);
  }

  /** The key of an action, or its button. */
  begin(action: Action): void {
    const open = this.open;
    // What waits is not done twice; but one note, or answer, may follow another.
    if (open?.incident == null || (open.held?.sent.action === action && !isWords(action))) return;
    if (open.trouble?.sent.action === action) return this.again();
    if (!this.can(action)) {
      // What is under way may make it possible.
      if (open.sending !== null) this.after(open, { action });
      return;
    }
    // The next step is the word that the one before stands.
    void this.release(open);
    const form = formOf(action);
    if (form !== null) this.openForm(open, form);
    else this.after(open, { action });
  }

  type(text: string): void {
    if (this.open?.form == null) return;
    this.open.text = text;
    keepDraft(this.open.id, this.open.form, text);
  }

  /** The form's own button. */
  submit(agency: string | null = null): void {
    const open = this.open;
    const form = open?.form;
    if (open == null || form == null) return;
    if (open.trouble !== null) return this.again(agency);
    void this.release(open);
    const sent = { ...plain(form), words: open.text, agency: agency ?? (form === 'return' ? open.better : null) };
    this.after(open, { sent: form === 'reject' && open.disposition !== null ? { ...sent, disposition: open.disposition } : sent });
  }

  /** Joins the open incident and another one; `absorbs`: the open one stays. */
  join(other: Incident, absorbs: boolean): void {
    const open = this.open;
    if (open === null) return;
    open.clearForm();
    void this.release(open);
    // The version is of the one that goes.
    this.after(open, { sent: { ...plain('merge'), other: bare(other.id), absorbs, ...(absorbs && { version: other.version }) } });
  }

  /** Sets one free that was joined into the open one, or ticks a step of the checklist. */
  doToOpen(more: Partial<Sent> & Pick<Sent, 'action'>): void {
    const open = this.open;
    if (open === null || !this.can(more.action)) return;
    void this.release(open);
    this.after(open, { sent: { ...plain(more.action), ...more } });
  }

  /** It was changed by whoever works here, but by no action: a photo was added, or made public. */
  took(id: string, file: CaseFile): void {
    const one = this.cases.get(id);
    if (one === undefined) return;
    one.take(file);
    this.did(file.incident);
    // Their own doing is no news to them, and makes nothing of theirs stale.
    if (one.changes.every((step) => isStep(step) && OWN_DOING.includes(step.action))) one.see();
    this.changed();
  }

  /** Puts the form away; what was typed stays and is there when it opens again. */
  cancel(): void {
    const open = this.open;
    if (open === null) return;
    const form = open.trouble === null ? null : formOf(open.trouble.sent.action);
    if (open.form === null && form !== null && open.trouble !== null) keepDraft(open.id, form, open.trouble.sent.words);
    open.form = null;
    open.trouble = null;
    this.askNext(open);
    if (!open.unfinished) open.see();
    this.keep();
  }

  /** What was to follow one that was let go is a question of its own. */
  private askNext(one: Case): void {
    const [next, ...rest] = one.next;
    if (next === undefined || one.sending !== null) return;
    one.next = rest;
    if ('sent' in next) one.trouble = { kind: 'network', sent: next.sent, problem: null, at_ms: performance.now() };
    else this.askNext(one);
  }

  /** After a trouble: sends it again, in a conflict against the state that is shown now. */
  again(agency: string | null = null): void {
    const open = this.open;
    if (open?.trouble == null || open.sending !== null || performance.now() - open.trouble.at_ms < SURE_MS) return;
    const { kind, sent } = open.trouble;
    if (kind === 'conflict') {
      if (!this.stillPossible) return;
      open.see();
    }
    const words = open.form === null ? sent.words : open.text;
    const disposition = open.disposition ?? sent.disposition;
    // Of another incident that was to come into this one, the page knows no newer version; the operator decided all the same.
    const version = sent.absorbs === true ? null : (open.seen?.version ?? null);
    const more = { words, agency: agency ?? sent.agency, version: kind === 'conflict' ? version : (sent.version ?? version) };
    void this.send(open, { ...sent, ...more, ...(disposition !== undefined && { disposition }) });
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
    this.keep();
  }

  /** What waited, or was under way, when the page before went away without a word. */
  async recover(): Promise<void> {
    const before = heldBefore();
    if (before.length === 0) return;
    keepHeld('before', before);
    const all = before.map((kept) => ({ kept, one: this.caseOf(kept.id) }));
    const missing = (): typeof all => all.filter(({ kept, one }) => one.file === null || storedAt(one.file, kept, this.offer.worker.name) === null);
    for (const { one } of all) await this.read(one);
    // The browser may have sent it with its last breath: it has a moment to arrive.
    if (missing().length > 0) await new Promise((resolve) => setTimeout(resolve, LAST_BREATH_MS));
    for (const { one } of missing()) await this.read(one);
    for (const { kept, one } of missing()) {
      // Of several steps of one incident the first is the question, and the others follow it.
      if (one.trouble !== null) one.next = [...one.next, { sent: kept.sent }];
      else one.trouble = { kind: 'network', sent: kept.sent, problem: null, at_ms: performance.now() };
    }
    for (const { one } of all) this.tidy(one);
    keepHeld('before', []);
    this.keep();
  }

  private caseOf(id: string): Case {
    const one = this.cases.get(id) ?? new Case(id);
    this.cases.set(id, one);
    return one;
  }

  private openForm(one: Case, form: Form): void {
    one.trouble = null;
    if (one.sending === null) one.see();
    one.form = form;
    one.text = draft(one.id, form);
    this.keep();
  }

  /** Now, or once the answer to the one before is here, whatever is looked at by then. */
  private after(one: Case, next: Next): void {
    const free = one.sending === null && one.next.length === 0;
    const bulk = free ? this.bulk(one.id) : null;
    if (free && bulk === null) return this.take(one, next);
    one.next = [...one.next, next];
    // What was written is said; should it not go out, it is there to be written anew.
    const form = 'sent' in next ? formOf(next.sent.action) : null;
    if (form !== null && one.form === form) {
      keepDraft(one.id, form, '');
      one.clearForm();
    }
    this.keep();
    if (bulk !== null) void bulk.then((made) => this.follow(one, made));
  }

  private take(one: Case, next: Next): void {
    if ('sent' in next) return this.dispatch(one, next.sent);
    if (!this.allows(one, next.action)) return;
    const form = formOf(next.action);
    if (form === null) this.dispatch(one, plain(next.action));
    else if (one === this.open) this.openForm(one, form);
  }

  /** What follows goes out; the next step is the word that the one before stands. */
  private goOn(one: Case): void {
    const [next, ...rest] = one.next;
    if (next === undefined || one.sending !== null || one.trouble !== null) return;
    if (one.held !== null) return void this.release(one);
    one.next = rest;
    this.take(one, next);
    this.goOn(one);
  }

  /** Nothing follows what was refused; words stay to be sent by themselves. */
  private forget(one: Case): void {
    const { next } = one;
    one.next = [];
    for (const step of next) {
      const form = 'sent' in step ? formOf(step.sent.action) : null;
      if ('sent' in step && form !== null && step.sent.words !== '' && draft(one.id, form) === '') keepDraft(one.id, form, step.sent.words);
    }
  }

  /** What was done to it with others is answered. */
  private async follow(one: Case, made: Made | null): Promise<void> {
    await this.read(one);
    // One's own doing is no news; what stood against it, or came after it, is.
    if (made !== null && one.file !== null && (made.version === null || one.file.incident.version === made.version)) one.see();
    this.goOn(one);
  }

  /** At once where the opposite takes it back exactly; else it waits. */
  private dispatch(one: Case, more: Sent): void {
    const before = one.incident;
    if (before === null) return;
    const sent: Sent = { ...more, version: more.absorbs === true ? more.version : (one.seen?.version ?? before.version) };
    one.will = foreseen(sent, before, this.offer.table);
    const undo = opposite(sent, before, one.freshly);
    if (undo === null) this.hold(one, sent, before);
    else void this.send(one, sent, { undo, before });
  }

  private hold(one: Case, sent: Sent, before: Incident): void {
    const form = formOf(sent.action);
    if (form !== null) keepDraft(one.id, form, '');
    if (one.form === form) one.clearForm();
    one.trouble = null;
    const no = this.undo.add({ action: sent.action, incidents: [before], agency: sent.agency, send: () => void this.release(one), takeBack: () => this.takeBack(one) });
    one.held = { sent, no };
    this.keep();
  }

  /** What waits for these is sent now, for whatever is done to them with others; null: nothing waits. */
  letGo(ids: readonly string[]): Promise<readonly OwnStep[]> | null {
    const waiting = [...this.cases.values()].filter((one) => one.held !== null && ids.includes(one.id));
    if (waiting.length === 0) return null;
    const send = async (one: Case): Promise<OwnStep> => {
      const from = one.held?.sent.version ?? null;
      await this.release(one);
      return { id: one.id, from, to: one.trouble === null ? (one.incident?.version ?? null) : from };
    };
    return Promise.all(waiting.map(send));
  }

  /** What waits is sent now. */
  private async release(one: Case): Promise<void> {
    if (one.held === null) return;
    const { sent, no } = one.held;
    one.held = null;
    this.undo.drop(no);
    await this.send(one, sent, null, true);
  }

  /** It was never sent; the words are there to be written anew. */
  private takeBack(one: Case): void {
    if (one.held === null) return;
    const { sent } = one.held;
    one.held = null;
    one.will = null;
    this.keep();
    const form = formOf(sent.action);
    if (form !== null) keepDraft(one.id, form, sent.words);
    if (form !== null && sent.words !== '' && one === this.open && one.form === null) {
      this.openForm(one, form);
      one.disposition = sent.disposition ?? null;
    }
    this.tidy(one);
  }

  /** `waited`: its form was put away when it began to wait, and one that is open now is of the next. */
  private send(one: Case, sent: Sent, deed: { undo: Opposite; before: Incident } | null = null, waited = false): Promise<void> {
    const answer = this.transmit(one, sent, deed, waited);
    this.answered.set(one, answer);
    return answer;
  }

  private async transmit(one: Case, sent: Sent, deed: { undo: Opposite; before: Incident } | null, waited: boolean): Promise<void> {
    one.sending = sent;
    one.trouble = null;
    this.keep();
    const form = formOf(sent.action);
    try {
      const file = await sendAction(one.id, sent);
      if (form !== null && !waited) keepDraft(one.id, form, '');
      if (form !== null && !waited && one.form === form) one.clearForm();
      this.settle(one);
      if (deed !== null) this.registerSent(sent, deed, file);
      this.arrived(one, sent, file);
    } catch (error) {
      this.settle(one);
      this.reopen(one, sent, waited);
      one.trouble = troubleOf(error, sent);
      if (one.trouble.kind === 'conflict') await this.read(one);
      // Without a line the rest waits behind it; it may yet be stored.
      if (one.trouble !== null && one.trouble.kind !== 'network') this.forget(one);
    }
    this.goOn(one);
    this.keep();
    this.changed();
    this.tidy(one);
  }

  /** What was written stands in its form again. Another form that was opened since is another question: its words are kept for later. */
  private reopen(one: Case, sent: Sent, waited: boolean): void {
    const form = formOf(sent.action);
    if (one.form === form && !waited) return;
    const next = one.form === form ? one.text : '';
    one.clearForm();
    if (form === null || sent.words === '') return;
    one.form = form;
    // A second note was begun: as the first is not stored, both stand in one.
    one.text = next === '' ? sent.words : `${sent.words}\n${next}`;
    one.disposition = sent.disposition ?? null;
    keepDraft(one.id, form, one.text);
  }

  private settle(one: Case): void {
    one.sending = null;
    if (one.held === null) one.will = null;
  }

  private registerSent(sent: Sent, { undo, before }: { undo: Opposite; before: Incident }, file: CaseFile): void {
    const back: Sent = { ...undo.sent, version: versionFor(undo, file) };
    const seq = file.incident.id === undo.id ? lastSeq(file) : null;
    this.undo.add({ action: sent.action, incidents: [before], agency: sent.agency, takeBack: () => void this.sendBack(undo.id, back, before, seq) });
  }

  /** The opposite; whoever looked at what was joined away looks at it again. `seq`: of the answer, where that is about the same one. */
  private async sendBack(id: string, sent: Sent, before: Incident, seq: number | null): Promise<void> {
    const looked = this.open;
    const one = this.caseOf(id);
    while (one.sending !== null) await this.answered.get(one);
    const own = seq !== null && one.file !== null && since(one.file, seq).every((step) => isStep(step) && step.actor === this.offer.worker.name);
    // What one has done oneself since stands against nothing.
    const newest = own ? (one.file?.incident.version ?? 0) : 0;
    await this.send(one, sent.version !== null && newest > sent.version ? { ...sent, version: newest } : sent);
    if (one.trouble === null && sent.action === 'split' && this.open === looked && looked?.id === id) this.show(before.id, null);
  }

  /** The answer names the incident that is there now: of a merge the one that stays. */
  private arrived(one: Case, sent: Sent, file: CaseFile): void {
    this.did(file.incident);
    if (file.incident.id === one.id) {
      one.take(file);
      one.see();
      if (sent.action === 'verify') one.verified_ms = performance.now();
    } else if (sent.action === 'merge' && one === this.open) {
      this.show(file.incident.id, file.incident);
    } else void this.read(one);
  }

  private async read(one: Case): Promise<void> {
    try {
      one.take(await getCase(one.id));
    } catch (error) {
      const status = error instanceof ProblemError ? error.problem.status : 0;
      one.unread = status === 404 ? 'missing' : status === 401 || status === 403 ? 'denied' : 'failed';
      return;
    }
    this.recognise(one);
    if (one === this.open) this.changed();
  }

  /** What got no answer, or was refused because its first try was stored, is no trouble: it is in the history. */
  private recognise(one: Case): void {
    const { trouble, file } = one;
    if (trouble === null || file === null || (trouble.kind !== 'network' && trouble.kind !== 'conflict')) return;
    if (storedAt(file, attemptOf(one, trouble.sent), this.offer.worker.name) === null) return;
    one.trouble = null;
    this.did(file.incident);
    const form = formOf(trouble.sent.action);
    // Of two notes in one form the second is still to be sent.
    const first = `${trouble.sent.words}\n`;
    const rest = one.form === form && one.text.startsWith(first) ? one.text.slice(first.length) : '';
    if (form !== null) keepDraft(one.id, form, rest);
    if (form !== null && one.form === form && rest === '') one.clearForm();
    else if (rest !== '') one.text = rest;
    one.see();
    this.goOn(one);
    this.keep();
    this.tidy(one);
  }

  private leave(): void {
    const open = this.open;
    // A form with nothing in it needs no remembering.
    if (open === null || open.unfinished || (open.form !== null && open.text !== '')) return;
    this.cases.delete(open.id);
  }

  /** Out of sight and with nothing unfinished, it is not kept. */
  private tidy(one: Case): void {
    if (one !== this.open && !one.unfinished && (one.form === null || one.text === '')) this.cases.delete(one.id);
    this.sort();
  }

  private keep(): void {
    const all = [...this.cases.values()];
    this.will = new Map(all.flatMap((one) => (one.will === null ? [] : [[one.id, one.will]])));
    this.sort();
    // Whether what goes out with the page arrives, only the next page can find out.
    if (leaving()) return;
    keepHeld('work', all.flatMap((one) => one.unsent.map((sent) => ({ id: one.id, ...attemptOf(one, sent) }))));
  }

  private sort(): void {
    this.waiting = [...this.cases.values()].filter((one) => one !== this.open && one.trouble !== null);
  }
}

function attemptOf(one: Case, sent: Sent): Attempt {
  return { sent, seq: one.seen?.seq ?? 0, ...(one.seen === null && { afterMs: one.incident?.updatedAtMs ?? 0 }) };
}

/** The incident as it will be once this is stored. */
export function foreseen(sent: Sent, before: Incident, table: Table): Incident {
  const status = table.leadsTo(sent.action, before.status) ?? before.status;
  return { ...before, status, agency: sent.action === 'return' ? null : sent.action === 'assign' ? sent.agency : before.agency };
}

function troubleOf(error: unknown, sent: Sent): Trouble {
  const at_ms = performance.now();
  const problem = problemOf(error);
  if (problem === null) return { kind: 'network', sent, problem, at_ms };
  const { status } = problem;
  const kind = hasChanged(problem) ? 'conflict' : status === 401 || status === 403 ? 'denied' : status >= 500 ? 'network' : 'refused';
  return { kind, sent, problem, at_ms };
}
