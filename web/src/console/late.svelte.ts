/** What became late and was told to whoever works here: it stands until they looked at it, or it is late no more. */
import { getIncidents, type IncidentPage } from '../feed/http';
import type { Alarm } from '../feed/protocol';
import { toldAtConsole, type Told } from '../ui/alarms';

/** More than anybody reads one by one: the list of what is late has them all. */
export const TOLD_MAX = 50;
/** An alarm may come twice, after a resume. */
const REMEMBERED_MAX = 1_000;
/** While something stands there, it is asked this often whether it still is late. */
export const ASK_MS = 3_000;
/** As long as there are more late ones than that, none is taken away. */
const LATE_MAX = 200;

export class Late {
  /** The newest first, one for each incident. */
  told = $state.raw<readonly Alarm[]>([]);

  private readonly known = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly lateNow: () => Promise<IncidentPage> = () => getIncidents({ overdue: 'true', limit: LATE_MAX })) {}

  /** `to`: whom this console tells. */
  raise(alarm: Alarm, to: Told): void {
    if (!toldAtConsole(alarm, to) || alarm.incident === null || this.known.has(alarm.id)) return;
    this.known.add(alarm.id);
    for (const oldest of this.known) {
      if (this.known.size <= REMEMBERED_MAX) break;
      this.known.delete(oldest);
    }
    this.told = [alarm, ...this.without(alarm.incident.id)].slice(0, TOLD_MAX);
  }

  /** It was opened. */
  looked(id: string | null): void {
    if (this.told.some(({ incident }) => incident?.id === id)) this.told = this.without(id);
  }

  dismiss(): void {
    this.told = [];
  }

  /** Something changed somewhere: what somebody else saw to is told no more. */
  poke(): void {
    if (this.told.length > 0) this.timer ??= setTimeout(() => void this.ask(), ASK_MS);
  }

  private async ask(): Promise<void> {
    this.timer = null;
    const page = await this.lateNow().catch(() => null);
    if (page === null || page.next !== null) return;
    const late = new Set(page.incidents.map(({ id }) => id));
    // An alarm may be newer than the answer.
    const stands = ({ incident, seq }: Alarm): boolean => seq > page.seq || late.has(incident?.id ?? '');
    if (!this.told.every(stands)) this.told = this.told.filter(stands);
  }

  private without(id: string | null): readonly Alarm[] {
    return this.told.filter(({ incident }) => incident?.id !== id);
  }
}
