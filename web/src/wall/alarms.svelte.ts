/** Alarms one after the other: each stands long enough to be read from the far wall, then goes away by itself. */
import type { Alarm } from '../feed/protocol';

const SHOWN_MS = 10_000;
/** While others wait. */
const SHOWN_IN_QUEUE_MS = 6_000;
const QUEUE_MAX = 6;

export class AlarmQueue {
  current = $state.raw<Alarm | null>(null);
  waiting = $state(0);

  private queue: Alarm[] = [];

  /** The feed tells each alarm once. */
  raise(alarm: Alarm): void {
    // A hotspot has one alarm waiting, its latest; and when more come than can be read, the newest matter.
    const others = this.queue.filter((one) => one.hotspot === null || one.hotspot.id !== alarm.hotspot?.id);
    this.queue = [...others, alarm].slice(-QUEUE_MAX);
    this.waiting = this.queue.length;
    if (this.current === null) this.next();
  }

  private next(): void {
    this.current = this.queue.shift() ?? null;
    this.waiting = this.queue.length;
    if (this.current !== null) setTimeout(() => this.next(), this.waiting > 0 ? SHOWN_IN_QUEUE_MS : SHOWN_MS);
  }
}
