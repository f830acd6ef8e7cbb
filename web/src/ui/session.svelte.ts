/** The live connection as components see it: phase, view, the server's time. */
import { serverNow, type ServerClock } from '../feed/clock';
import type { View } from '../feed/fold';
import { pageProjection } from '../feed/http';
import { LiveFeed, liveUrl, type Phase, type Subscription } from '../feed/live';
import type { Whereabouts } from '../feed/presence';
import type { Alarm, Hello, Person, Problem } from '../feed/protocol';
import { Update } from './update.svelte';

export class Session {
  phase = $state<Phase>('connecting');
  view = $state.raw<View | null>(null);
  hello = $state.raw<Hello | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** What is shown answers an earlier question than the newest. */
  behind = $state(false);
  /** New reports may be missing from what is shown. */
  degraded = $state(false);
  /** The server's time, moving once a second. */
  nowMs = $state(Date.now());
  /** How many of the server's seconds pass in one, while the line is whole. */
  speed = $state(1);
  /** The server's time of the last frame at which what is shown was of now. */
  lastFrameMs = $state<number | null>(null);
  beat = $state(0);
  /** Who of the staff is where, the reader included; nobody where that is not told. */
  people = $state.raw<readonly Person[]>([]);

  readonly update: Update;

  private clock: ServerClock | null = null;
  private feed: LiveFeed | null = null;
  private watchers: readonly ((view: View, cause: 'snapshot' | 'delta') => void)[] = [];
  private readonly alarmWatchers: ((alarm: Alarm) => void)[] = [];

  /** `busy`: what must not be lost by a reload; null: nobody types on this page. */
  constructor(
    private readonly projection: 'public' | null,
    busy: (() => boolean) | null = null,
  ) {
    this.update = new Update(busy);
    this.tick();
    addEventListener('online', () => this.feed?.nudge());
    document.addEventListener('visibilitychange', () => document.hidden || this.feed?.nudge());
  }

  /** One feed, however often a page starts: a map that is made anew asks for what it shows. */
  start(wanted: Subscription): void {
    if (this.feed !== null) return this.feed.subscribe(wanted);
    this.feed = new LiveFeed(liveUrl(this.projection ?? pageProjection()), {
      view: (view, cause) => {
        this.view = view;
        for (const watch of this.watchers) watch(view, cause);
      },
      alarm: (alarm) => {
        for (const watch of this.alarmWatchers) watch(alarm);
      },
      phase: (phase) => (this.phase = phase),
      clock: (clock) => {
        this.clock = clock;
        this.nowMs = serverNow(clock, performance.now());
        if (this.phase === 'live' || this.phase === 'connecting') this.speed = clock.speed;
      },
      hello: (hello) => (this.hello = hello),
      degraded: (degraded) => (this.degraded = degraded),
      problem: (problem) => (this.problem = problem),
      behind: (behind) => (this.behind = behind),
      people: (people) => (this.people = people),
      newBuild: () => this.update.find(),
      frame: () => {
        this.beat += 1;
        if (this.clock !== null) this.lastFrameMs = serverNow(this.clock, performance.now());
      },
    });
    this.feed.start(wanted);
  }

  subscribe(wanted: Subscription): void {
    this.feed?.subscribe(wanted);
  }

  /** Where the reader is now, for colleagues. */
  present(at: Whereabouts): void {
    this.feed?.present(at);
  }

  /** Returns how to stop it. */
  onView(watch: (view: View, cause: 'snapshot' | 'delta') => void): () => void {
    this.watchers = [...this.watchers, watch];
    return () => {
      this.watchers = this.watchers.filter((one) => one !== watch);
    };
  }

  onAlarm(watch: (alarm: Alarm) => void): void {
    this.alarmWatchers.push(watch);
  }

  /** Once a second, on the second, so that the seconds of the clock do not stumble. */
  private tick(): void {
    const now_ms = this.clock === null ? Date.now() : serverNow(this.clock, performance.now());
    this.nowMs = now_ms;
    setTimeout(() => this.tick(), 1000 - (now_ms % 1000) + 5);
  }
}
