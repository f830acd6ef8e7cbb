/**
 * Who of the staff is at which incident: what this page says of its reader, and what it makes of the others.
 *
 * Nothing here locks anything: the version that an action carries decides who was first.
 */
import type { Person } from './protocol';

/** Where the reader of this page is. */
export interface Whereabouts {
  /** The feature's id; null: at no incident. */
  readonly incident: string | null;
  readonly editing: boolean;
}

export const NOWHERE: Whereabouts = { incident: null, editing: false };

/** Whoever steps through the queue by a held key says where they are this often at most; the last word is said. */
const SAY_EVERY_MS = 500;

/** The timers that it needs, as the live feed has them. */
export interface Timers {
  now_ms(): number;
  setTimer(run: () => void, ms: number): number;
  clearTimer(timer: number): void;
}

/** Says where the reader is whenever that changed, and again on each new socket that wants to know. */
export class Whereabout {
  private wanted: Whereabouts | null = null;
  private said: Whereabouts | null = null;
  private send: ((message: object) => void) | null = null;
  private saidAt_ms = -Infinity;
  private timer: number | null = null;

  constructor(private readonly timers: Timers) {}

  /** A socket that wants to know; it has heard nothing yet. */
  opened(send: (message: object) => void): void {
    this.send = send;
    this.said = null;
    this.say();
  }

  /** The socket is gone, or this one does not want to know. */
  closed(): void {
    this.send = null;
    if (this.timer !== null) this.timers.clearTimer(this.timer);
    this.timer = null;
  }

  set(wanted: Whereabouts): void {
    this.wanted = wanted;
    this.say();
  }

  private say(): void {
    if (this.send === null || this.wanted === null || this.timer !== null) return;
    if (this.said?.incident === this.wanted.incident && this.said.editing === this.wanted.editing) return;
    const wait_ms = this.saidAt_ms + SAY_EVERY_MS - this.timers.now_ms();
    if (wait_ms > 0) {
      this.timer = this.timers.setTimer(() => {
        this.timer = null;
        this.say();
      }, wait_ms);
      return;
    }
    this.saidAt_ms = this.timers.now_ms();
    this.said = this.wanted;
    this.send({ type: 'presence', incident: this.wanted.incident, editing: this.wanted.editing });
  }
}

/** Who else is at an incident; who edits it stands first, then who came first. `me`: the reader's account. */
export function othersAt(people: readonly Person[], me: string | null, incident: string): readonly Person[] {
  const others = people.filter((person) => person.incident === incident && person.who !== me);
  return [...others].sort((a, b) => Number(b.editing) - Number(a.editing) || a.sinceMs - b.sinceMs);
}

/** How many others are at each incident, by the feature's id: for the rows of a list. */
export function othersByIncident(people: readonly Person[], me: string | null): ReadonlyMap<string, readonly Person[]> {
  const found = new Map<string, readonly Person[]>();
  for (const { incident } of people) {
    if (incident === null || found.has(incident)) continue;
    const others = othersAt(people, me, incident);
    if (others.length > 0) found.set(incident, others);
  }
  return found;
}
