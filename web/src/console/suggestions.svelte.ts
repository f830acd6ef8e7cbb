/** Which open incidents may be the same case as the one that is looked at, and the words of their reports. */
import { getJson, ProblemError } from '../feed/http';
import { decodeItem, list, localized, number, object, type Incident, type Localized } from '../feed/protocol';
import { bare, getCase, type CaseFile } from './casefile';
import { isOpen } from './transitions';

export interface Suggestion {
  readonly incident: Incident;
  readonly distance_m: number;
  readonly minutesApart: number;
  /** Of the texts, 0 to 1. */
  readonly likeness: number;
  /** 0 to 1; the best first. */
  readonly score: number;
  readonly why: Localized;
}

export function decodeSuggestions(value: unknown): readonly Suggestion[] {
  return list(object(value, 'suggestions').suggestions, 'suggestions').flatMap((one) => {
    const o = object(one, 'suggestion');
    const incident = decodeItem(o.incident);
    if (incident.kind !== 'incident') return [];
    return [{ incident, distance_m: number(o.distance_m, 'distance_m'), minutesApart: number(o.minutes_apart, 'minutes_apart'), likeness: number(o.likeness, 'likeness'), score: number(o.score, 'score'), why: localized(o.why, 'why') }];
  });
}

const PROGRESS: readonly string[] = ['new', 'verified', 'in_progress'];

/** Whether the open one stays: the one that is further, else has more reports, else is older. The operator may turn it. */
export function openStays(open: Incident, other: Incident): boolean {
  const further = PROGRESS.indexOf(open.status) - PROGRESS.indexOf(other.status);
  if (further !== 0) return further > 0;
  if (open.reports !== other.reports) return open.reports > other.reports;
  return open.openedAtMs <= other.openedAtMs;
}

/** Whoever steps through the queue asks about none of those that they pass. */
const STILL_MS = 400;

export class Suggestions {
  /** `null`: not known yet, or not to be known. */
  found = $state.raw<readonly Suggestion[] | null>(null);
  failed = $state(false);
  /** The reports of those that were looked at, by the feature's id. */
  files = $state.raw<ReadonlyMap<string, CaseFile>>(new Map());

  private about: string | null = null;
  /** Joined by now, or about to be. */
  private gone: ReadonlySet<string> = new Set();
  private timer: ReturnType<typeof setTimeout> | null = null;

  /** Another incident is open, or none. `gone`: the bare ids of what is joined with it, also while that is under way. */
  look(incident: Incident | null, allowed: boolean, gone: readonly string[] = []): void {
    this.gone = new Set(gone);
    if (this.found?.some((one) => this.isGone(one)) === true) this.found = this.left(this.found);
    const id = incident !== null && allowed && isOpen(incident.status) ? incident.id : null;
    if (id === this.about) return;
    this.about = id;
    this.found = null;
    this.failed = false;
    this.files = new Map();
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = id === null ? null : setTimeout(() => void this.ask(), STILL_MS);
  }

  /** Now: the operator wants to see them. */
  async ask(): Promise<void> {
    const id = this.about;
    if (id === null) return;
    if (this.timer !== null) clearTimeout(this.timer);
    try {
      const found = decodeSuggestions(await getJson(`/api/v1/incidents/${bare(id)}/suggestions`));
      if (id === this.about) [this.found, this.failed] = [this.left(found), false];
    } catch (error) {
      // A server without suggestions has none to make.
      const none = error instanceof ProblemError && error.problem.status === 404;
      if (id === this.about) [this.found, this.failed] = [none ? [] : this.found, !none];
    }
  }

  private left(found: readonly Suggestion[]): readonly Suggestion[] {
    return found.filter((one) => !this.isGone(one));
  }

  private isGone({ incident }: Suggestion): boolean {
    return this.gone.has(bare(incident.id));
  }

  /** Its reports, for whoever compares. */
  async read(id: string): Promise<void> {
    if (this.files.has(id)) return;
    const about = this.about;
    try {
      const file = await getCase(id);
      if (about === this.about) this.files = new Map([...this.files, [id, file]]);
    } catch {
      // What the suggestion tells is on the screen; the texts come when it is looked at again.
    }
  }
}
