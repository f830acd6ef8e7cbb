/** The queue as it is read: again when the socket says that something changed, and page by page further down. */
import { getIncidents, ProblemError, type IncidentPage, type Query } from '../feed/http';
import type { Incident, Problem } from '../feed/protocol';
import { problemOf } from '../ui/problem';
import { toQuery, type Choice } from './choice';
import { append, entered, merge, type Row } from './queue';

const REFRESH_MS = 1_000;
/** A change that touches neither the map's view nor the counts is seen by then. */
const RECHECK_MS = 10_000;
const PAGE = 50;
/** So many are read again at once; further down the list must be filtered. */
export const ROWS_MAX = 1_000;

export class QueueList {
  rows = $state.raw<readonly Row[]>([]);
  /** Those that came in while the page was looking and were not opened yet. */
  fresh = $state.raw<ReadonlySet<string>>(new Set());
  loaded = $state(false);
  failed = $state(false);
  /** What is shown was not read anew for a while. */
  stale = $state(false);
  denied = $state(false);
  /** The server's answer to a choice that it does not take. */
  refused = $state.raw<Problem | null>(null);
  /** There is more below. */
  more = $state(false);

  private next: string | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private running = false;
  private again = false;
  /** Counts choices, so that a late answer to an earlier one is dropped. */
  private round = 0;

  constructor(
    private choice: Choice,
    /** What is open at the right, as the page knows it. */
    private readonly kept: () => Incident | null,
    private readonly ask: (choice: Choice, query: Query) => Promise<IncidentPage> = (choice, query) => getIncidents({ ...toQuery(choice), ...query }),
  ) {
    setInterval(() => document.hidden || this.poke(), RECHECK_MS);
  }

  choose(choice: Choice): void {
    this.choice = choice;
    this.round += 1;
    this.fresh = new Set();
    this.rows = [];
    this.loaded = false;
    this.settleFault();
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.poke();
  }

  poke(): void {
    if (this.running) this.again = true;
    else this.timer ??= setTimeout(() => void this.read(), this.loaded ? REFRESH_MS : 0);
  }

  /** What the page knows of an incident by its own action, before the next reading; or another one is open now. */
  settle(): void {
    const kept = this.kept();
    this.rows = merge(this.rows, this.rows.filter(({ left }) => !left).map(({ incident }) => incident), kept);
    if (kept !== null && this.fresh.has(kept.id)) this.fresh = new Set([...this.fresh].filter((id) => id !== kept.id));
  }

  async readMore(): Promise<void> {
    const cursor = this.next;
    if (this.running || cursor === null || this.rows.length >= ROWS_MAX) return;
    await this.run({ limit: PAGE, cursor }, (page) => {
      this.rows = append(this.rows, page.incidents);
    });
  }

  private async read(): Promise<void> {
    this.timer = null;
    this.again = false;
    const limit = Math.min(ROWS_MAX, Math.max(PAGE, Math.ceil(this.rows.length / PAGE) * PAGE));
    await this.run({ limit }, (page) => {
      const news = this.loaded ? entered(this.rows, page.incidents, this.next === null) : [];
      if (news.length > 0) this.fresh = new Set([...this.fresh, ...news]);
      this.rows = merge(this.rows, page.incidents, this.kept());
    });
  }

  private settleFault(): void {
    this.failed = false;
    this.stale = false;
    this.denied = false;
    this.refused = null;
  }

  private async run(query: { limit: number; cursor?: string }, take: (page: IncidentPage) => void): Promise<void> {
    const round = this.round;
    this.running = true;
    try {
      const page = await this.ask(this.choice, query);
      if (round !== this.round) return;
      take(page);
      this.next = page.next;
      this.more = page.next !== null && this.rows.length < ROWS_MAX;
      this.loaded = true;
      this.settleFault();
    } catch (error) {
      if (round !== this.round) return;
      // Tried again with the next change, by the clock, or when the connection is back.
      // Once may be a hiccup.
      this.stale = this.loaded && this.failed;
      this.failed = true;
      const status = error instanceof ProblemError ? error.problem.status : 0;
      this.denied = status === 401 || status === 403;
      this.refused = status === 400 ? problemOf(error) : null;
    } finally {
      this.running = false;
      if (this.again || round !== this.round) this.poke();
    }
  }
}
