/** One action on many incidents. Each is a request of its own: one refusal never stops its neighbours. */
import type { Incident, Problem } from '../feed/protocol';
import { hasChanged, problemOf } from '../ui/problem';
import { getCase, sendAction, type CaseFile, type Sent } from './casefile';
import { leaving } from './leaving';
import type { Offer } from './offer';
import { storedAt } from './stored';
import type { BulkAction } from './transitions';

/** So many are under way at once. */
const ABREAST = 4;

export type Why = 'conflict' | 'network' | 'denied' | 'refused';

export interface Refused {
  readonly incident: Incident;
  readonly why: Why;
  /** The server's answer; null: there was none. */
  readonly problem: Problem | null;
}

export interface BulkResult {
  readonly stored: readonly string[];
  readonly refused: readonly Refused[];
  /** Of those that are stored, after it. */
  readonly versions: ReadonlyMap<string, number | null>;
}

/** The incident as it is after a step that was stored. */
export interface Made {
  readonly version: number | null;
}

/** What one's own step made of an incident. */
export interface OwnStep {
  readonly id: string;
  readonly from: number | null;
  readonly to: number | null;
}

/** Those that the action is allowed on, by status and by right. */
export function able(incidents: readonly Incident[], action: BulkAction, offer: Offer): readonly Incident[] {
  return incidents.filter((incident) => offer.can(action, incident));
}

/** `sent` without the version: each incident is sent with the one that was seen in the queue. */
export async function runBulk(
  incidents: readonly Incident[],
  sent: Omit<Sent, 'version'>,
  progress: (done: number) => void,
  send: (id: string, sent: Sent) => Promise<CaseFile> = sendAction,
  find: (incident: Incident, sent: Sent) => Promise<CaseFile | null> = async () => null,
): Promise<BulkResult> {
  const stored: string[] = [];
  const refused: Refused[] = [];
  const versions = new Map<string, number | null>();
  const left = [...incidents];
  const work = async (): Promise<void> => {
    for (let incident = left.shift(); incident !== undefined; incident = left.shift()) {
      const one = { ...sent, version: incident.version };
      try {
        const answer = await send(incident.id, one);
        versions.set(incident.id, answer.incident.version);
        stored.push(incident.id);
      } catch (error) {
        const reason = whyOf(error);
        const file = reason.why === 'network' || reason.why === 'conflict' ? await find(incident, one).catch(() => null) : null;
        if (file === null) refused.push({ incident, ...reason });
        else {
          // Others may have changed it since, and whoever goes on has not seen that: the version of this step is the next one.
          versions.set(incident.id, one.version === null ? file.incident.version : one.version + 1);
          stored.push(incident.id);
        }
      }
      progress(stored.length + refused.length);
    }
  };
  await Promise.all(Array.from({ length: leaving() ? incidents.length : ABREAST }, work));
  return { stored, refused, versions };
}

/** What got no answer, or came too late after its own first try, may be in the history: the incident with it, or null. */
export async function findStored(incident: Incident, sent: Sent, by: string): Promise<CaseFile | null> {
  const file = await getCase(incident.id);
  return storedAt(file, { sent, seq: 0, afterMs: incident.updatedAtMs }, by) === null ? null : file;
}

function whyOf(error: unknown): { why: Why; problem: Problem | null } {
  const problem = problemOf(error);
  if (problem === null) return { why: 'network', problem };
  if (hasChanged(problem)) return { why: 'conflict', problem };
  const { status } = problem;
  return { why: status === 401 || status === 403 ? 'denied' : status >= 500 ? 'network' : 'refused', problem };
}
