/** Actions on many incidents at once: what waits, what is on its way, and what was refused. */
import type { Incident } from '../feed/protocol';
import { runBulk, type BulkResult, type Made, type OwnStep } from './bulk';
import type { Sent } from './casefile';
import { keepDraft } from './drafts';
import { keepHeld } from './held';
import { leaving } from './leaving';
import { opposite } from './opposite';
import type { Table } from './transitions';
import type { Undo } from './undo.svelte';
import { foreseen } from './work.svelte';

/** Without the version: each incident is sent with the one that was seen in the queue. */
export type Wish = Omit<Sent, 'version'>;

export interface Outcome extends BulkResult {
  readonly wish: Wish;
}

interface Batch {
  readonly wish: Wish;
  readonly incidents: readonly Incident[];
  /** Each of them can be taken back exactly, after it was sent. */
  readonly undoable: boolean;
  readonly typed: string;
  /** By which it can be taken back while it waits. */
  no?: number;
  /** What was done to some of them one by one, and goes out first. */
  behind?: Promise<void>;
  /** Told, once it is answered, which of them are stored, with the version of each. */
  readonly told: ((versions: BulkResult['versions']) => void)[];
}

const holds = ({ incidents }: Batch, id: string): boolean => incidents.some((incident) => incident.id === id);

export class Batches {
  /** As the operator sees those whose action waits or is under way, by id. */
  will = $state.raw<ReadonlyMap<string, Incident>>(new Map());
  running = $state.raw<{ readonly wish: Wish; readonly done: number; readonly all: number } | null>(null);
  /** Of the last one that was not stored whole. */
  outcome = $state.raw<Outcome | null>(null);

  private readonly waiting = new Set<Batch>();
  /** The one whose answers are awaited; those behind it go out in turn. */
  private sending: Batch | null = null;
  private readonly line: Batch[] = [];
  /** What the own last step made of an incident: the next step goes with that version, whatever the queue has read meanwhile. */
  private readonly steps = new Map<string, OwnStep>();

  constructor(
    private readonly table: Table,
    private readonly undo: Undo,
    /** Ids that are done with, and the incidents as they are after it. */
    private readonly stored: (ids: readonly string[], after: readonly Incident[]) => void,
    private readonly run = runBulk,
    /** Sends what waits for these one by one; null: nothing does. */
    private readonly single: (ids: readonly string[]) => Promise<readonly OwnStep[]> | null = () => null,
  ) {}

  /** At once where each of them can be taken back exactly; else all of it waits. `typed`: the words as they were written. */
  begin(incidents: readonly Incident[], wish: Wish, typed = ''): void {
    this.outcome = null;
    const undoable = incidents.every((incident) => opposite({ ...wish, version: null }, incident) !== null);
    const one: Batch = { wish, incidents, undoable, typed, told: [] };
    // The next step is the word that the one before stands.
    for (const before of this.waiting) if (incidents.some(({ id }) => holds(before, id))) this.release(before);
    const single = this.single(incidents.map(({ id }) => id));
    if (single !== null) one.behind = single.then((steps) => this.learn(steps));
    if (undoable) return this.start(one);
    this.waiting.add(one);
    this.keep();
    one.no = this.undo.add({ action: wish.action, incidents, agency: wish.agency, send: () => this.release(one), takeBack: () => this.takeBack(one) });
  }

  /** What is to be done to it with others goes out now; null: nothing is. Resolves to what it made of it, or to null where it was not stored. */
  letGo(id: string): Promise<Made | null> | null {
    for (const one of this.waiting) if (holds(one, id)) this.release(one);
    const last = [...(this.sending === null ? [] : [this.sending]), ...this.line].findLast((one) => holds(one, id));
    return last === undefined ? null : new Promise((resolve) => last.told.push((versions) => resolve(versions.has(id) ? { version: versions.get(id) ?? null } : null)));
  }

  /** Something waits, is under way, or was refused and nobody has said that they read it. */
  get busy(): boolean {
    return this.will.size > 0 || this.outcome !== null;
  }

  forget(): void {
    this.outcome = null;
  }

  private release(one: Batch): void {
    if (!this.waiting.delete(one)) return;
    if (one.no !== undefined) this.undo.drop(one.no);
    this.start(one);
  }

  /** It was never sent; the words are there to be written anew. */
  private takeBack(one: Batch): void {
    this.waiting.delete(one);
    if (one.wish.action === 'reject') keepDraft('bulk', 'reject', one.typed);
    this.keep();
  }

  /** Behind the one before, whose answers tell the versions; when the page goes away there is no time for that. */
  private start(one: Batch): void {
    if (this.sending !== null && !leaving()) {
      this.line.push(one);
      this.keep();
    } else void this.send(one);
  }

  private async send(one: Batch): Promise<void> {
    const { wish, undoable } = one;
    const all = one.incidents.length;
    this.sending = one;
    this.running = { wish, done: 0, all };
    this.keep();
    if (one.behind !== undefined && !leaving()) await one.behind;
    const incidents = one.incidents.map((incident) => this.afterOwnStep(incident));
    const result = await this.run(incidents, wish, (done) => (this.running = { wish, done, all }));
    this.running = null;
    this.sending = null;
    this.learn(incidents.filter(({ id }) => result.versions.has(id)).map(({ id, version }) => ({ id, from: version, to: result.versions.get(id) ?? null })));
    this.keep();
    if (result.refused.length > 0) this.outcome = { wish, ...result };
    const stored = incidents.filter(({ id }) => result.stored.includes(id));
    this.stored(result.stored, stored.map((incident) => foreseen({ ...wish, version: null }, incident, this.table)));
    for (const tell of one.told) tell(result.versions);
    if (undoable && stored.length > 0) this.undo.add({ action: wish.action, incidents: stored, agency: wish.agency, takeBack: () => void this.sendBack(wish, stored, result) });
    const next = this.line.shift();
    if (next !== undefined) void this.send(next);
  }

  private learn(steps: readonly OwnStep[]): void {
    for (const step of steps) this.steps.set(step.id, step);
  }

  private afterOwnStep(incident: Incident): Incident {
    let version = incident.version;
    const step = this.steps.get(incident.id);
    if (step !== undefined && step.from === version) version = step.to;
    return { ...incident, version };
  }

  /** The opposite of each, with the version that its answer had. */
  private async sendBack(wish: Wish, stored: readonly Incident[], { versions }: BulkResult): Promise<void> {
    const refused: BulkResult['refused'][number][] = [];
    const done: string[] = [];
    for (const incident of stored) {
      const undo = opposite({ ...wish, version: null }, incident);
      if (undo === null) continue;
      const result = await this.run([{ ...incident, version: versions.get(incident.id) ?? null }], undo.sent, () => undefined);
      refused.push(...result.refused);
      done.push(...result.stored);
    }
    if (refused.length > 0) this.outcome = { wish, stored: done, refused, versions: new Map() };
    this.stored([], []);
  }

  private keep(): void {
    const open = [...(this.sending === null ? [] : [this.sending]), ...this.line, ...this.waiting];
    const shown = new Map<string, Incident>();
    for (const { wish, incidents } of open) for (const incident of incidents) shown.set(incident.id, foreseen({ ...wish, version: null }, shown.get(incident.id) ?? incident, this.table));
    this.will = shown;
    if (leaving()) return;
    // The queue tells no number: what is later than the last change that was seen there may be this.
    keepHeld('bulk', open.flatMap(({ wish, incidents }) => incidents.map(({ id, version, updatedAtMs }) => ({ id, sent: { ...wish, version }, seq: 0, afterMs: updatedAtMs }))));
  }
}
