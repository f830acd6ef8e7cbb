/**
 * The list of what whoever works here handled in the last day and is still open. The server's list tells of no incident
 * who acted on it, so the page remembers what was stored by its own hand, for each account, and asks for that.
 */
import { getIncidents, ProblemError, type IncidentPage, type Query } from '../feed/http';
import { getCase, type CaseFile } from './casefile';
import { toPastQuery, type Choice } from './choice';
import { lately, OwnStore, withOwn, type Own } from './mine';
import type { Incident } from '../feed/protocol';
import { isOpen } from './transitions';

/** The count is read anew this long after something changed. */
export const COUNT_MS = 5_000;
const LIST_MAX = 1_000;
/** So many that are not in the list any more are looked up at once. */
const LOOKED_UP_MAX = 10;
const NOTHING: IncidentPage = { incidents: [], matched: 0, seq: 0, next: null };

export class Mine {
  /** Of those that the filter shows; null: not known yet. */
  count = $state<number | null>(null);

  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly account: () => string,
    /** What is chosen now. */
    private readonly choice: () => Choice,
    private readonly list: (query: Query) => Promise<IncidentPage> = getIncidents,
    private readonly look: (id: string) => Promise<CaseFile> = getCase,
    private readonly store = new OwnStore(),
    private readonly nowMs: () => number = () => Date.now(),
  ) {}

  /** A step of one's own is stored: each as it is after it. */
  did(handled: readonly Incident[]): void {
    if (handled.length === 0) return;
    this.store.keep(this.account(), withOwn(this.store.load(this.account()), handled, this.nowMs()));
    this.poke(0);
  }

  /** Something changed somewhere. */
  poke(in_ms = COUNT_MS): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      void this.page(this.choice()).catch(() => undefined);
    }, in_ms);
  }

  /** What is most urgent first, all in one page. */
  async page(choice: Choice): Promise<IncidentPage> {
    const account = this.account();
    const own = lately(this.store.load(account), this.nowMs());
    const query = toOwnQuery(choice, own);
    const page = query === null ? NOTHING : await this.list({ ...query, sort: 'due_at', limit: LIST_MAX });
    const ids = new Set(own.map(({ id }) => id));
    const incidents = page.incidents.filter(({ id }) => ids.has(id));
    if (page.next === null && isWhole(choice)) await this.forget(account, own, incidents);
    if (account === this.account()) this.count = incidents.length;
    return { ...page, incidents, matched: incidents.length, next: null };
  }

  /** What the list has no more is closed, joined into another, or somebody else's by now: it is looked up before it is forgotten. */
  private async forget(account: string, own: readonly Own[], incidents: readonly Incident[]): Promise<void> {
    const there = new Set(incidents.map(({ id }) => id));
    const missing = own.filter(({ id }) => !there.has(id)).slice(0, LOOKED_UP_MAX);
    if (missing.length === 0) return;
    const found = new Map(await Promise.all(missing.map(async (one) => [one.id, await this.lookUp(one)] as const)));
    this.store.keep(account, this.store.load(account).flatMap((one) => (found.has(one.id) ? (found.get(one.id) ?? []) : one)));
  }

  /** As it is now; null: it is nobody's work any more, or not theirs. */
  private async lookUp(one: Own): Promise<Own | null> {
    try {
      const { incident, mergedInto } = await this.look(one.id);
      return mergedInto !== null || !isOpen(incident.status) ? null : { ...one, category: incident.category, area: incident.area };
    } catch (error) {
      return error instanceof ProblemError && [403, 404].includes(error.problem.status) ? null : one;
    }
  }
}

/** The question that has all of them in its answer; null: none can be. */
export function toOwnQuery(choice: Choice, own: readonly Own[]): Query | null {
  const chosen = choice.categories.length === 0 ? own : own.filter(({ category }) => choice.categories.includes(category));
  if (chosen.length === 0) return null;
  const category = [...new Set(chosen.map((one) => one.category))].sort().join(',');
  const areas = [...new Set(chosen.map((one) => one.area))];
  // A chosen district has villages in it that only the server knows.
  const area = choice.areas.length > 0 ? choice.areas.join(',') : areas.includes(null) ? '' : areas.sort().join(',');
  return { ...toPastQuery(choice), category, area };
}

/** Nothing but time narrows the answer. */
function isWhole({ categories, agencies, areas, q }: Choice): boolean {
  return categories.length + agencies.length + areas.length === 0 && q === '';
}
