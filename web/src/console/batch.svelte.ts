/** Actions on many incidents at once: what waits, what is on its way, and what was refused. */
import type { Incident } from '../feed/protocol';
import { runBulk, type BulkResult } from './bulk';
import type { Sent } from './casefile';
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

export class Batches {
  /** As the operator sees those whose action waits or is under way, by id. */
  will = $state.raw<ReadonlyMap<string, Incident>>(new Map());
  running = $state.raw<{ readonly wish: Wish; readonly done: number; readonly all: number } | null>(null);
  /** Of the last one that was not stored whole. */
  outcome = $state.raw<Outcome | null>(null);

  private readonly waiting = new Set<{ readonly wish: Wish; readonly incidents: readonly Incident[] }>();

  constructor(
    private readonly table: Table,
    private readonly undo: Undo,
    /** Ids that are done with. */
    private readonly stored: (ids: readonly string[]) => void,
    private readonly run = runBulk,
  ) {}

  /** At once where each of them can be taken back exactly; else all of it waits. */
  begin(incidents: readonly Incident[], wish: Wish): void {
    this.outcome = null;
    const one = { wish, incidents };
    if (incidents.every((incident) => opposite({ ...wish, version: null }, incident) !== null)) return void this.send(one, true);
    this.waiting.add(one);
    this.keep();
    this.undo.add({
      action: wish.action,
      incidents,
      agency: wish.agency,
      send: () => {
        this.waiting.delete(one);
        void this.send(one, false);
      },
      takeBack: () => {
        this.waiting.delete(one);
        this.keep();
      },
    });
  }

  forget(): void {
    this.outcome = null;
  }

  private async send(one: { readonly wish: Wish; readonly incidents: readonly Incident[] }, undoable: boolean): Promise<void> {
    const { wish, incidents } = one;
    const all = incidents.length;
    this.running = { wish, done: 0, all };
    this.keep();
    const result = await this.run(incidents, wish, (done) => (this.running = { wish, done, all }));
    this.running = null;
    this.keep();
    if (result.refused.length > 0) this.outcome = { wish, ...result };
    this.stored(result.stored);
    const stored = incidents.filter(({ id }) => result.stored.includes(id));
    if (undoable && stored.length > 0) this.undo.add({ action: wish.action, incidents: stored, agency: wish.agency, takeBack: () => void this.sendBack(wish, stored, result) });
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
    this.stored([]);
  }

  private keep(): void {
    const waiting = [...this.waiting];
    const shown = new Map<string, Incident>();
    for (const { wish, incidents } of waiting) for (const incident of incidents) shown.set(incident.id, foreseen({ ...wish, version: null }, incident, this.table));
    this.will = shown;
    if (leaving()) return;
    // By its version the next page finds out whether it was stored; the queue tells no number.
    keepHeld('bulk', waiting.flatMap(({ wish, incidents }) => incidents.map(({ id, version }) => ({ id, sent: { ...wish, version }, seq: 0 }))));
  }
}
