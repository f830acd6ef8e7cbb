/**
 * The signs of deadlines, one set for maps and lists: red, yellow, green and grey, each with a shape of its own, so
 * that colour is never alone. Pure.
 */
import type { City } from '../feed/city';
import type { ClockState, Incident } from '../feed/protocol';

/** Side of the square that the outlines below are drawn in. */
export const SIGN_BOX = 16;

export interface DeadlineSign {
  /** As SVG path data, closed. */
  readonly body: string;
  /** What stands in it, as SVG path data for a stroke. */
  readonly mark: string;
  /** Filled with its colour: it is meant to be seen first. */
  readonly solid: boolean;
}

/** A clock that runs, a triangle, an octagon as of a stop sign, a square with the bars of a pause. */
export const DEADLINE_SIGNS: Readonly<Record<ClockState, DeadlineSign>> = {
  ok: { body: 'M1.9 8a6.1 6.1 0 1 0 12.2 0a6.1 6.1 0 1 0 -12.2 0Z', mark: 'M8 4.7V8l2.3 1.4', solid: false },
  soon: { body: 'M8 1.3 15.2 14.6H.8Z', mark: 'M8 6v4.1M8 12.3v.4', solid: true },
  late: { body: 'M4.9.7h6.2l4.2 4.2v6.2l-4.2 4.2H4.9L.7 11.1V4.9Z', mark: 'M8 3.9v4.9M8 11.6v.6', solid: true },
  paused: { body: 'M2.4 2.4h11.2v11.2H2.4Z', mark: 'M6 5.4v5.2M10 5.4v5.2', solid: false },
};

/** What a map or a row says of the deadline; `null`: nothing runs, or it is not for whoever looks. */
export function deadlineOf(incident: Pick<Incident, 'clock' | 'overdue'>, projection: City['projection']): ClockState | null {
  if (projection === 'public') return null;
  return incident.clock?.state ?? (incident.overdue ? 'late' : null);
}
