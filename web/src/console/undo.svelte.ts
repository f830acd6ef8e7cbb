/**
 * What was done within the last ten seconds and can be taken back, the newest first.
 *
 * Two ways were weighed. To send everything at once and let undo send the opposite loses nothing, but few actions have
 * an exact opposite. Nothing takes back a verification, the start of work, or words that somebody has read; and
 * `reopen` after `resolve` or `reject` tells the citizen that it was done and then was not, starts the clocks anew, and
 * leads to another status than the one before. So what has an exact opposite (`opposite.ts`: assign back where that
 * begins no clock anew, split after merge, …) is sent at once, and taking it back sends the opposite. Everything else is shown at once and waits here for
 * ten seconds: it goes out earlier when the operator does the next thing to the same incident, says so, or leaves the
 * page. What waits is kept in the tab's store (`held.ts`): a browser that dies meanwhile brings it back as not sent.
 */
import type { Incident } from '../feed/protocol';
import type { Action } from './transitions';

export const UNDO_MS = 10_000;
const COUNT_MS = 250;

export interface NewDeed {
  readonly action: Action;
  /** Done to these. */
  readonly incidents: readonly Incident[];
  readonly agency: string | null;
  /** It waits to be sent; without it, it is sent and has an opposite. */
  readonly send?: () => void;
  readonly takeBack: () => void;
}

export interface Deed extends NewDeed {
  readonly no: number;
  /** Of `performance.now()`. */
  readonly until_ms: number;
}

export class Undo {
  /** The newest first. */
  deeds = $state.raw<readonly Deed[]>([]);
  now_ms = $state(0);

  private no = 0;
  private timer: ReturnType<typeof setInterval> | null = null;

  /** Returns its number. */
  add(deed: NewDeed): number {
    this.now_ms = performance.now();
    this.no += 1;
    this.deeds = [{ ...deed, no: this.no, until_ms: this.now_ms + UNDO_MS }, ...this.deeds];
    this.timer ??= setInterval(() => this.count(), COUNT_MS);
    return this.no;
  }

  /** It cannot be taken back any more: it is on its way, or it became something else. */
  drop(no: number): void {
    this.deeds = this.deeds.filter((deed) => deed.no !== no);
    if (this.deeds.length > 0 || this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  /** The newest; false: there is none. */
  takeBack(): boolean {
    const [newest] = this.deeds;
    if (newest === undefined) return false;
    this.drop(newest.no);
    newest.takeBack();
    return true;
  }

  /** The newest need not wait. */
  sendNow(): void {
    const waiting = this.deeds.find(({ send }) => send !== undefined);
    if (waiting !== undefined) this.end(waiting);
  }

  /** The page goes away: whatever waits is sent. */
  flush(): void {
    for (const deed of [...this.deeds].reverse()) this.end(deed);
  }

  private count(): void {
    this.now_ms = performance.now();
    // The oldest first: two steps of one incident go out in their order.
    for (const deed of [...this.deeds].reverse()) if (deed.until_ms <= this.now_ms) this.end(deed);
  }

  private end(deed: Deed): void {
    this.drop(deed.no);
    deed.send?.();
  }
}
