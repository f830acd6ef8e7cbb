/** The incidents that one action will be done to. Only what is in the list can be marked. */
import type { Incident } from '../feed/protocol';
import { range, type Row } from './queue';

export class Marks {
  ids = $state.raw<ReadonlySet<string>>(new Set());
  private last: string | null = null;

  toggle(id: string): void {
    this.ids = this.ids.has(id) ? new Set([...this.ids].filter((one) => one !== id)) : new Set([...this.ids, id]);
    this.last = id;
  }

  /** From the one that was marked last, or is open, up to this one. */
  upTo(id: string, rows: readonly Row[], open: string | null): void {
    this.ids = new Set([...this.ids, ...range(rows, this.last ?? open, id)]);
    this.last = id;
  }

  /** What left the list is not acted upon unseen. */
  keep(rows: readonly Row[]): void {
    const present = new Set(rows.filter(({ left }) => !left).map(({ incident }) => incident.id));
    if ([...this.ids].some((id) => !present.has(id))) this.ids = new Set([...this.ids].filter((id) => present.has(id)));
  }

  drop(ids: readonly string[]): void {
    this.ids = new Set([...this.ids].filter((id) => !ids.includes(id)));
  }

  clear(): void {
    this.last = null;
    if (this.ids.size > 0) this.ids = new Set();
  }

  of(rows: readonly Row[]): readonly Incident[] {
    return rows.map(({ incident }) => incident).filter(({ id }) => this.ids.has(id));
  }
}
