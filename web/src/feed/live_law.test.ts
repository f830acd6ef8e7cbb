/**
 * The law of the live feed, against a small model of the server: whatever the line, the server and the page do, what is
 * held is what the server shows at the cursor, and it is called live only where this socket brought it up to date and
 * the server vouches for it; where it does not answer what the page asks, the page is told.
 */
import { expect, it, vi } from 'vitest';
import type { View } from './fold';
import { BEHIND_MS, LiveFeed, type FeedFilter, type Phase, type Subscription } from './live';
import { TestSurroundings, type TestSocket } from './testing';

const SEEDS = 120;
const STEPS = 250;
const HEARTBEAT_S = 15;
const KEYS = 12;
/** Changes that the server remembers. */
const RING = 20;

/** A draw from [0, 1), by mulberry32. */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Ask {
  readonly bbox: readonly number[];
  readonly zoom: number;
  readonly filter: FeedFilter;
  readonly resume?: { epoch: string; seq: number; view: string };
}

type Contents = ReadonlyMap<string, number>;

/** What a session on the server knows of its one subscription. */
interface Line {
  readonly socket: TestSocket;
  readonly frames: object[];
  subscription: { ask: Ask; told: number } | null;
}

/** As the real one: answers in order, deltas and heartbeats in step with cursors. */
class Server {
  epoch = 1;
  seq = 1;
  inTouch = true;
  refuses = false;
  /** What is asked gets no answer, for ever. */
  loses = false;
  line: Line | null = null;
  /** The value of each key at each seq of each epoch. */
  private readonly histories = new Map<string, Contents>([['e1 1', new Map()]]);

  view(ask: Ask): string {
    return `${ask.bbox.join()}|${ask.zoom}|${JSON.stringify(ask.filter)}`;
  }

  /** What is shown of a view at a seq. */
  shows(view: string, epoch: string, seq: number): Record<string, number> {
    const [west, zoom] = [Number(view.split(',')[0]), Number(view.split('|')[1])];
    const contents = this.histories.get(`${epoch} ${seq}`);
    if (contents === undefined) throw new Error(`nobody wrote ${epoch} ${seq}`);
    return Object.fromEntries([...contents].filter(([key]) => (Number(key.slice(2)) + west + zoom) % 3 !== 0));
  }

  change(draw: () => number): void {
    const next = new Map(this.histories.get(`e${this.epoch} ${this.seq}`));
    const key = `i:${Math.floor(draw() * KEYS)}`;
    if (draw() < 0.3) next.delete(key);
    else next.set(key, Math.floor(draw() * 1_000));
    this.seq += 1;
    this.histories.set(`e${this.epoch} ${this.seq}`, next);
  }

  /** A restore from a backup: another history, that counts from below. */
  restore(): void {
    const kept = this.histories.get(`e${this.epoch} ${this.seq}`) ?? new Map();
    this.epoch += 1;
    this.seq = Math.max(1, this.seq - 3);
    this.histories.set(`e${this.epoch} ${this.seq}`, kept);
  }

  opened(socket: TestSocket): void {
    this.line = { socket, frames: [], subscription: null };
    this.say({ type: 'hello', protocol: 'pantau.v1', epoch: `e${this.epoch}`, seq: this.seq, projection: 'staff', frame_ms: 50, heartbeat_s: HEARTBEAT_S, now: '2026-11-24T04:00:00Z', speed: 1, build: '1', ...(!this.inTouch && { in_touch: false }) });
  }

  hears(ask: Ask): void {
    const line = this.line;
    if (line === null || this.loses) return;
    if (this.refuses) return this.say({ type: 'error', id: 'main', problem: { type: '/problems/too-many-views', title: '', detail: '', errors: [] } });
    const before = line.subscription;
    line.subscription = { ask, told: this.seq };
    const view = this.view(ask);
    if (ask.resume !== undefined) {
      const { epoch, seq } = ask.resume;
      if (epoch !== `e${this.epoch}`) return this.snapshot('epoch_changed');
      if (seq > this.seq) return this.snapshot('ahead');
      if (ask.resume.view !== view) return this.snapshot('view_changed');
      if (seq < this.seq - RING) return this.snapshot('too_old');
      return this.delta(view, seq, view);
    }
    if (before === null) return this.snapshot('subscribed');
    const old = this.view(before.ask);
    const isPan = old !== view && old.split('|').slice(1).join() === view.split('|').slice(1).join();
    if (isPan && before.told >= this.seq - RING) return this.delta(old, before.told, view);
    this.snapshot('replaced');
  }

  /** What a round brings: nothing where nothing changed. `skips`: a fault of the server, that leaves a hole. */
  round(heartbeat: boolean, skips: boolean): void {
    const subscription = this.line?.subscription;
    if (subscription != null && subscription.told < this.seq) {
      const view = this.view(subscription.ask);
      if (skips) subscription.told = this.seq;
      else if (subscription.told < this.seq - RING) this.snapshot('too_old');
      else this.delta(view, subscription.told, view);
    }
    if (heartbeat && this.inTouch && !skips) this.say({ type: 'heartbeat', seq: this.seq, time: '2026-11-24T04:00:00Z', speed: 1 });
  }

  private delta(from_view: string, from: number, view: string): void {
    const epoch = `e${this.epoch}`;
    const [was, is] = [this.shows(from_view, epoch, from), this.shows(view, epoch, this.seq)];
    const upsert = Object.keys(is).filter((key) => is[key] !== was[key]);
    const remove = Object.keys(was).filter((key) => !(key in is));
    this.say({ type: 'delta', id: 'main', view, from, seq: this.seq, upsert: upsert.map((key) => feature(key, is[key] ?? 0)), remove });
    if (this.line?.subscription) this.line.subscription.told = this.seq;
  }

  private snapshot(reason: string): void {
    const ask = this.line?.subscription?.ask;
    if (ask === undefined) return;
    const view = this.view(ask);
    const features = Object.entries(this.shows(view, `e${this.epoch}`, this.seq)).map(([key, value]) => feature(key, value));
    this.say({ type: 'snapshot', id: 'main', view, seq: this.seq, level: 15, features, hotspots: [], reason });
  }

  private say(frame: object): void {
    this.line?.frames.push(frame);
  }
}

/** `value` rides in how many reports there are. */
function feature(id: string, value: number): object {
  return { type: 'Feature', id, geometry: { type: 'Point', coordinates: [127, 0] }, properties: { kind: 'incident', category: 'garbage', status: 'new', reports: value, title: null, area: null, agency: null, opened_at: '2026-11-24T04:00:00Z', updated_at: '2026-11-24T04:00:00Z', due_at: null, overdue: false, drill: false } };
}

class Run {
  readonly draw: () => number;
  readonly server = new Server();
  readonly around: TestSurroundings;
  readonly feed: LiveFeed;
  phase: Phase = 'connecting';
  held: View | null = null;
  throws = 0;
  behind = false;
  private wanted_ms = 0;
  private wanted: Subscription = { bbox: [0, 0, 1, 1], zoom: 12, filter: {} };
  private n_sockets = 0;
  /** What this line's frames, as far as they arrived, make of the page. */
  private isGreeted = false;
  private isAnswered = false;
  private hasHole = false;
  private vouched_ms = -Infinity;
  private cursor = 0;
  readonly counts = new Map<string, number>();

  constructor(seed: number) {
    this.draw = chance(seed);
    this.around = new TestSurroundings(this.draw, (socket, message) => {
      if (socket !== this.server.line?.socket || message.type !== 'subscribe') return;
      this.checkResume(message as unknown as Ask);
      this.server.hears(message as unknown as Ask);
    });
    const fault = (): void => {
      if (this.draw() < this.throws) throw new Error('a fault of the page');
    };
    this.feed = new LiveFeed('ws://x', { view: (view) => ((this.held = view), fault()), phase: (phase) => ((this.phase = phase), fault()), behind: (behind) => ((this.behind = behind), fault()), hello: fault, frame: fault, clock: fault, problem: fault, degraded: fault }, this.around);
    this.feed.start(this.wanted);
  }

  private count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Sockets that the feed opened reach the server. */
  connect(): void {
    const socket = this.around.sockets.at(-1);
    if (socket === undefined || this.n_sockets === this.around.sockets.length) return;
    this.n_sockets = this.around.sockets.length;
    [this.isGreeted, this.isAnswered, this.hasHole, this.vouched_ms] = [false, false, false, -Infinity];
    this.server.opened(socket);
  }

  deliver(): void {
    this.connect();
    const line = this.server.line;
    const frame = line?.frames.shift() as { type: string; seq: number; from?: number; in_touch?: boolean } | undefined;
    if (line === null || frame === undefined || line.socket.closed) return;
    const before = this.held;
    if (frame.type === 'hello') this.isGreeted = true;
    if (frame.type === 'heartbeat' || (frame.type === 'hello' && frame.in_touch !== false)) this.vouched_ms = this.around.now_ms();
    if (frame.type === 'snapshot') [this.isAnswered, this.hasHole] = [true, false];
    if (frame.type === 'delta' && (frame.from ?? 0) > this.cursor) this.hasHole = true;
    if (frame.type === 'delta') this.isAnswered = true;
    if (frame.type === 'snapshot') this.cursor = frame.seq;
    else if ((frame.type === 'delta' || (frame.type === 'heartbeat' && this.isAnswered)) && !this.hasHole) this.cursor = Math.max(this.cursor, frame.seq);
    line.socket.onmessage?.({ data: JSON.stringify(frame) });
    this.count(frame.type);
    if (this.hasHole) expect(this.held, 'nothing is folded into a hole').toBe(before);
    this.check();
  }

  /** The law, for what was folded. */
  check(): void {
    if (this.held !== null) {
      const held = Object.fromEntries([...this.held.items].map(([key, item]) => [key, item.kind === 'incident' ? item.reports : -1]));
      expect(held).toEqual(this.server.shows(this.held.view, this.held.epoch, this.held.seq));
    }
    this.checkAsked();
    if (this.phase !== 'live') return;
    this.count('live');
    const open = this.server.line !== null && !this.server.line.socket.closed;
    const vouched = this.around.now_ms() - this.vouched_ms <= 2 * HEARTBEAT_S * 1000 + 500;
    expect({ open, greeted: this.isGreeted, answered: this.isAnswered, hole: this.hasHole, vouched }).toEqual({ open: true, greeted: true, answered: true, hole: false, vouched: true });
  }

  /** The law, for what heartbeats moved: a resume claims to hold what its seq shows. */
  private checkResume({ resume }: Ask): void {
    if (resume === undefined || this.held === null) return;
    this.count('resume');
    expect(this.server.shows(resume.view, resume.epoch, resume.seq)).toEqual(this.server.shows(this.held.view, this.held.epoch, this.held.seq));
  }

  /** The law, for what is asked: whatever is live and is not that for a while, is said to be of before. */
  private checkAsked(): void {
    if (this.phase !== 'live' || this.held === null) return;
    const isAnswer = this.held.view === this.server.view(this.wanted as unknown as Ask);
    this.count(this.behind ? 'behind' : 'answered');
    if (!isAnswer && this.around.now_ms() - this.wanted_ms > BEHIND_MS) expect(this.behind, 'it is told that the answer is of before').toBe(true);
  }

  cut(): void {
    this.connect();
    const line = this.server.line;
    this.server.line = null;
    if (line === null || line.socket.closed) return;
    this.count('cut');
    line.socket.onclose?.({ code: 1006 });
  }

  look(): void {
    const west = Math.floor(this.draw() * 3);
    if (this.draw() < 0.6) this.wanted = { ...this.wanted, bbox: [west, 0, west + 1, 1] };
    else this.wanted = { ...this.wanted, zoom: 12 + Math.floor(this.draw() * 3) };
    this.wanted_ms = this.around.now_ms();
    this.feed.subscribe(this.wanted);
  }

  step(): void {
    const what = this.draw();
    if (what < 0.3) this.deliver();
    else if (what < 0.5) this.server.change(this.draw);
    else if (what < 0.65) this.server.round(this.draw() < 0.4, false);
    else if (what < 0.75) this.around.wait(this.draw() * (this.draw() < 0.1 ? 40_000 : 1_500));
    else if (what < 0.85) this.look();
    else if (what < 0.89) this.cut();
    else if (what < 0.91) this.server.refuses = this.draw() < 0.4;
    else if (what < 0.92) this.server.loses = this.draw() < 0.3;
    else if (what < 0.94) this.server.inTouch = this.draw() < 0.6;
    else if (what < 0.95) this.skip();
    else if (what < 0.955) this.restore();
    else if (what < 0.97) this.throws = this.draw() < 0.5 ? 0.3 : 0;
    else if (what < 0.975) this.garble();
    else this.deliver();
    this.connect();
  }

  /** A delta is lost and the next one shows it, before any heartbeat says more. */
  private skip(): void {
    this.server.change(this.draw);
    this.server.round(false, true);
    this.server.change(this.draw);
    this.server.round(false, false);
  }

  private restore(): void {
    this.server.restore();
    this.cut();
  }

  private garble(): void {
    const line = this.server.line;
    if (line === null || line.socket.closed) return;
    line.socket.onmessage?.({ data: '{"type":"snapshot"' });
    expect(line.socket.closed).toBe(true);
    this.server.line = null;
    this.check();
  }

  /** Nothing fails any more: the page shows, live, what it asks for. */
  heal(): void {
    [this.server.refuses, this.server.loses, this.server.inTouch, this.throws] = [false, false, true, 0];
    for (let second = 0; second < 90; second++) {
      this.around.wait(1_000);
      this.connect();
      this.server.round(second % HEARTBEAT_S === 0, false);
      while ((this.server.line?.frames.length ?? 0) > 0 && this.server.line?.socket.closed === false) this.deliver();
    }
    expect([this.phase, this.behind]).toEqual(['live', false]);
    expect(this.held?.view).toBe(this.server.view(this.wanted as unknown as Ask));
    expect(this.server.shows(this.held?.view ?? '', `e${this.server.epoch}`, this.server.seq)).toEqual(this.server.shows(this.held?.view ?? '', this.held?.epoch ?? '', this.held?.seq ?? 0));
    this.feed.stop();
  }
}

it('what is held is what the server shows at the cursor, and is live only in step and in touch', () => {
  const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = new Run(seed);
    try {
      for (let step = 0; step < STEPS; step++) run.step();
      run.heal();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const [what, n] of run.counts) counts.set(what, (counts.get(what) ?? 0) + n);
  }
  for (const what of ['hello', 'snapshot', 'delta', 'heartbeat', 'error', 'resume', 'cut', 'live', 'behind', 'answered']) expect(counts.get(what) ?? 0, what).toBeGreaterThan(SEEDS);
  expect(reported).toHaveBeenCalled();
  reported.mockRestore();
}, 60_000);
