/** The list of the chosen area: read again, at most every 1.5 s, when the socket says that something changed. */
import { getIncidents } from '../feed/http';
import type { Incident } from '../feed/protocol';
import { toQuery, type Choice } from './choice';
import { Entrances } from './entrances';

const REFRESH_MS = 1_500;
const NEW_FOR_MS = 10 * 60_000;
export const LIST_LIMIT = 100;

export class IncidentList {
  incidents = $state.raw<readonly Incident[]>([]);
  /** Those that entered since the choice was made, first seen last. */
  fresh = $state.raw<ReadonlySet<string>>(new Set());
  matched = $state(0);
  loaded = $state(false);
  failed = $state(false);

  private readonly entrances = new Entrances(NEW_FOR_MS);
  private timer: number | null = null;
  private running = false;
  private again = false;
  /** Counts choices, so that a late answer to an earlier one is dropped. */
  private round = 0;

  constructor(
    private choice: Choice,
    private readonly onEnter: (incidents: readonly Incident[]) => void,
  ) {}

  choose(choice: Choice): void {
    this.choice = choice;
    this.round += 1;
    this.entrances.reset();
    this.fresh = new Set();
    this.loaded = false;
    this.failed = false;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.poke();
  }

  poke(): void {
    if (this.running) this.again = true;
    else this.timer ??= window.setTimeout(() => void this.read(), this.loaded ? REFRESH_MS : 0);
  }

  private async read(): Promise<void> {
    const round = this.round;
    this.timer = null;
    this.running = true;
    this.again = false;
    try {
      const page = await getIncidents({ ...toQuery(this.choice), limit: LIST_LIMIT });
      if (round !== this.round) return;
      this.take(page.incidents, page.matched);
      this.failed = false;
    } catch {
      // Tried again with the next change or when the connection is back; the badge says that it is gone.
      if (round === this.round) this.failed = true;
    } finally {
      this.running = false;
      if (this.again || round !== this.round) this.poke();
    }
  }

  private take(incidents: readonly Incident[], matched: number): void {
    const now_ms = performance.now();
    const entered = new Set(this.entrances.see(incidents.map(({ id }) => id), now_ms));
    this.fresh = new Set(incidents.filter(({ id }) => this.entrances.isNew(id, now_ms)).map(({ id }) => id));
    this.incidents = [...incidents.filter(({ id }) => this.fresh.has(id)), ...incidents.filter(({ id }) => !this.fresh.has(id))];
    this.matched = matched;
    this.loaded = true;
    if (entered.size > 0) this.onEnter(incidents.filter(({ id }) => entered.has(id)));
  }
}
