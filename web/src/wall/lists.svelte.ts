/**
 * The lists of the rail and the hours strip. The socket says that something changed; one small request, at most every
 * two seconds, says what. The strip is read whole once and every few minutes, and kept up from the same small answers.
 */
import { getIncidents, type Query } from '../feed/http';
import type { Incident } from '../feed/protocol';
import { firstHour, learn, type Known } from './hours';

const REFRESH_MS = 2_000;
const REREAD_MS = 10 * 60_000;
const NEWEST_LIMIT = 50;
const OVERDUE_LIMIT = 5;
const PAGES_MAX = 20;
const NOT_REJECTED = 'new,verified,in_progress,resolved';
const OPEN = new Set(['new', 'verified', 'in_progress']);

export class Lists {
  newest = $state.raw<readonly Incident[]>([]);
  /** The longest overdue first. */
  overdue = $state.raw<readonly Incident[]>([]);
  overdueMatched = $state(0);
  known = $state.raw<Known>(new Map());
  /** When the last report opened an incident, of any status; null: never. */
  lastOpenedMs = $state<number | null>(null);
  drill = $state(false);
  loaded = $state(false);

  private timer: number | null = null;
  private running = false;
  private again = false;
  private failed = false;
  private readAt_ms = -Infinity;

  constructor(
    private readonly filter: Query,
    private readonly now: () => number,
  ) {}

  /** Something changed, or may have. */
  poke(): void {
    if (this.running) this.again = true;
    else this.timer ??= window.setTimeout(() => void this.refresh(), this.loaded || this.failed ? REFRESH_MS : 0);
  }

  private async refresh(): Promise<void> {
    this.timer = null;
    this.running = true;
    this.again = false;
    try {
      await Promise.all([this.readNewest(), this.readOverdue(), this.readDrill()]);
      this.loaded = true;
      this.failed = false;
    } catch {
      // The badge of the connection says what is wrong; the lists keep what they have and try again.
      this.failed = true;
      this.again = true;
    } finally {
      this.running = false;
      if (this.again) this.poke();
    }
  }

  private async readNewest(): Promise<void> {
    if (performance.now() - this.readAt_ms > REREAD_MS) await this.readHours();
    const page = await getIncidents({ ...this.filter, status: NOT_REJECTED, limit: NEWEST_LIMIT });
    const known = this.known;
    const [latest] = page.incidents;
    this.lastOpenedMs = latest?.openedAtMs ?? null;
    this.newest = page.incidents.filter(({ status }) => OPEN.has(status));
    // More came in than one answer holds: read the window again.
    const overrun = page.incidents.length === NEWEST_LIMIT && page.incidents.every(({ id }) => !known.has(id));
    if (overrun) await this.readHours();
    else this.known = learn(known, page.incidents, this.now());
  }

  private async readHours(): Promise<void> {
    this.readAt_ms = performance.now();
    const since = new Date(firstHour(this.now())).toISOString();
    let known: Known = new Map();
    let cursor: string | undefined;
    for (let n = 0; n < PAGES_MAX; n++) {
      const page = await getIncidents({ ...this.filter, status: NOT_REJECTED, since, limit: 1000, cursor });
      known = learn(known, page.incidents, this.now());
      if (page.next === null) break;
      cursor = page.next;
    }
    this.known = known;
  }

  private async readOverdue(): Promise<void> {
    const page = await getIncidents({ ...this.filter, overdue: 'true', sort: 'due_at', limit: OVERDUE_LIMIT });
    this.overdue = page.incidents;
    this.overdueMatched = page.matched;
  }

  private async readDrill(): Promise<void> {
    const page = await getIncidents({ ...this.filter, drill: 'true', limit: 1 });
    this.drill = page.matched > 0;
  }
}
