/** The console looking back: what the center knew at a moment, instead of the present. */
import type { Query } from '../feed/http';
import type { Incident } from '../feed/protocol';
import { namesMoment } from '../replay/address';
import { Playback } from '../replay/playback.svelte';
import type { Look } from '../replay/moment';
import { fromAddress, type Player } from '../replay/player';
import { midnight } from '../statistics/period';

/** Whoever looks back means what was a moment ago. */
const BACK_MS = 15 * 60_000;

/** An incident as it was known when. */
export interface Seen {
  readonly incident: Incident;
  readonly atMs: number;
}

export class Past {
  /** Null: this is the present. */
  playback = $state.raw<Playback | null>(null);
  /** Nothing later is known: it was now when the looking back began. */
  untilMs = $state(0);

  private picked = $state.raw<Seen | null>(null);
  private end: (() => void) | null = null;

  constructor(
    private readonly timeZone: string,
    private readonly filter: () => Query,
    /** The hand was moved: the address should know. */
    private readonly kept: (player: Player) => void,
  ) {}

  get isOn(): boolean {
    return this.playback !== null;
  }

  /** The one that was chosen, as it stood at the moment, or at the last one that showed it by itself. */
  get seen(): Seen | null {
    const [picked, moment] = [this.picked, this.playback?.moment ?? null];
    if (picked === null || moment === null) return picked;
    const now = moment.view.items.get(picked.incident.id);
    return now?.kind === 'incident' ? { incident: now, atMs: moment.atMs } : picked;
  }

  /** `query` may name a moment; else it begins a little before now. */
  enter(query: URLSearchParams, nowMs: number, look: Look | null): void {
    if (this.playback !== null) return;
    // To now, also when midnight has just passed.
    const span = { at: new Date(nowMs - BACK_MS).toISOString(), to: new Date(nowMs).toISOString() };
    const asked = namesMoment(query) ? query : new URLSearchParams(span);
    this.untilMs = nowMs;
    const playback = new Playback(fromAddress(asked, nowMs, (ms) => midnight(ms, this.timeZone)), this.kept, this.filter);
    this.playback = playback;
    this.end = playback.run();
    if (look !== null) playback.lookAt(look);
    this.kept(playback.player);
  }

  leave(): void {
    this.end?.();
    this.end = null;
    this.playback = null;
    this.picked = null;
  }

  pick(incident: Incident): void {
    if (this.playback === null) return;
    this.picked = { incident, atMs: this.playback.moment?.atMs ?? this.playback.player.atMs };
  }

  drop(): void {
    this.picked = null;
  }
}
