/**
 * One subscription over one socket, for ever: connects, resumes, notices silence, comes back.
 *
 * The socket, the timer, the clock and chance come in through `Surroundings`, so a test drives all of it.
 */
import { retryDelay_ms } from './backoff';
import { correctClock, holdClock, startClock, type ServerClock } from './clock';
import { applyDelta, applyHeartbeat, fromSnapshot, type View } from './fold';
import { InflatingSocket, subprotocols, type SocketLike } from './inflate';
import { Whereabout, type Whereabouts } from './presence';
import { decodeFrame, type Alarm, type Bbox, type Delta, type Frame, type Hello, type Person, type Problem, type Snapshot } from './protocol';
import { ShownAlarms } from './shown';

const SUBSCRIPTION_ID = 'main';
/** Until `hello` names the beat. */
const HEARTBEAT_S_DEFAULT = 15;
const CHECK_MS = 500;
/** What is refused with this is refused for good: the same question would end the same way. */
export const INVALID = '/problems/invalid-message';
/** Once a question has waited that long, what is shown is said to be the answer to an earlier one. */
export const BEHIND_MS = 3_000;

export interface FeedFilter {
  category?: readonly string[];
  status?: readonly string[];
  agency?: readonly string[];
  area?: readonly string[];
  /** Words that must all stand in the title or, for staff, in a report's text. */
  q?: string;
  within?: GeoJSON.Polygon;
  drill?: boolean;
}

export interface Subscription {
  readonly bbox: Bbox;
  readonly zoom: number;
  readonly filter: FeedFilter;
}

/**
 * `connecting`: nothing was ever shown. `live`: this socket brought what is shown up to date, and its server says that
 * this is the newest there is. `reconnecting`: nobody keeps what is shown up to date, but it is only moments old.
 * `stale`: nobody has vouched for it for two heartbeats, or the server says itself that it does not hear what is new.
 */
export type Phase = 'connecting' | 'live' | 'reconnecting' | 'stale';

export interface Surroundings {
  open(url: string): SocketLike;
  now_ms(): number;
  random(): number;
  setTimer(run: () => void, ms: number): number;
  clearTimer(timer: number): void;
}

export interface FeedEvents {
  view(view: View, cause: 'snapshot' | 'delta'): void;
  /** One that was not told before. */
  alarm(alarm: Alarm): void;
  phase(phase: Phase): void;
  /** The server's time as the page shows it. */
  clock(clock: ServerClock): void;
  hello(hello: Hello): void;
  /** Whether new reports may be missing from what is shown. */
  degraded(degraded: boolean): void;
  /** The server runs another build than the one this page came with. */
  newBuild(build: string): void;
  /** What the server refuses of what is asked; null once that was answered. */
  problem(problem: Problem | null): void;
  /** Whether what is shown answers an earlier question: the newest was refused, or waits for its answer for a while. */
  behind(behind: boolean): void;
  /** Who of the staff is where; nobody while the line is lost, for then nobody knows. */
  people(people: readonly Person[]): void;
  /** A frame arrived, and what is shown is of now: the pulse of the live badge. */
  frame(): void;
}

export class LiveFeed {
  private socket: SocketLike | null = null;
  private view: View | null = null;
  private epoch = '';
  private build: string | null = null;
  private clock: ServerClock | null = null;
  private wanted: Subscription | null = null;
  private phase: Phase = 'connecting';
  private heartbeat_s = HEARTBEAT_S_DEFAULT;
  private lastFrame_ms: number;
  private opened_ms: number;
  /** When the server of this socket last said that what it shows is as new as it can be. */
  private vouched_ms = -Infinity;
  /** When what is shown last was live; before that, since when nothing is shown. */
  private fresh_ms: number;
  /** False until this socket said hello: nothing may be sent before it. */
  private greeted = false;
  /** Whether this socket has brought the held view up to date: before that its heartbeats say nothing of it. */
  private inStep = false;
  /** Whether the held view may be resumed, and takes deltas: not after a hole, or a frame that could not be read. */
  private whole = true;
  /** The view of the newest snapshot or delta of this socket, folded or not; empty before the first. */
  private toldView = '';
  /** Questions on this socket that wait for their answers, which come in the same order. */
  private pending = 0;
  /** Since when the oldest of them does. */
  private asked_ms = 0;
  private behind = false;
  /** Until the newest question has waited long enough to be told of. */
  private telling: number | null = null;
  /** Whether the server refused what is asked, and has not answered it since. */
  private refused = false;
  /** How often in a row. */
  private refusals = 0;
  /** Until what was refused is asked again. */
  private again: number | null = null;
  private problem: Problem | null = null;
  private readonly shown = new ShownAlarms();
  private attempt = 0;
  private retry: number | null = null;
  private check: number | null = null;
  private readonly whereabout: Whereabout;

  constructor(
    private readonly url: string,
    private readonly events: Partial<FeedEvents>,
    private readonly around: Surroundings = browser(),
  ) {
    this.lastFrame_ms = around.now_ms();
    this.opened_ms = this.lastFrame_ms;
    this.fresh_ms = this.lastFrame_ms;
    this.whereabout = new Whereabout(around);
  }

  start(wanted: Subscription): void {
    this.wanted = wanted;
    this.connect();
    this.watch();
  }

  /** Another bbox, zoom or filter. What is shown stays until the answer is here. */
  subscribe(wanted: Subscription): void {
    this.wanted = wanted;
    if (this.view !== null && !this.behind) this.telling ??= this.around.setTimer(() => this.setBehind(true), BEHIND_MS);
    // Where nothing of ours stands or is under way on this socket, what is held is to be resumed still.
    this.sendSubscribe(!this.inStep && this.pending === 0);
  }

  /** Where the reader is now; told to colleagues where this server has people sign in. */
  present(at: Whereabouts): void {
    this.whereabout.set(at);
  }

  /** The page knows that the network changed: try at once. */
  nudge(): void {
    if (this.socket === null && this.wanted !== null) {
      this.attempt = 0;
      this.connect();
    }
  }

  stop(): void {
    if (this.retry !== null) this.around.clearTimer(this.retry);
    if (this.check !== null) this.around.clearTimer(this.check);
    this.tellNoMore();
    this.wanted = null;
    this.drop();
  }

  private connect(): void {
    if (this.retry !== null) this.around.clearTimer(this.retry);
    this.retry = null;
    this.drop();
    this.opened_ms = this.around.now_ms();
    const socket = this.around.open(this.url);
    this.socket = socket;
    socket.onmessage = (event) => this.receive(String(event.data));
    socket.onclose = ({ code }) => {
      if (this.socket !== socket) return;
      this.socket = null;
      if (comesBack(code)) return this.lost();
      // Coming back as we are would end the same way: say so, and stay as we are.
      this.wanted = null;
      this.setPhase('stale');
    };
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.leave();
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  /** What was said on a socket that is gone holds no more. */
  private leave(): void {
    this.greeted = false;
    this.inStep = false;
    this.pending = 0;
    this.toldView = '';
    this.vouched_ms = -Infinity;
    this.askNoMore();
  }

  private lost(): void {
    this.leave();
    this.whereabout.closed();
    this.tell((page) => page.people?.([]));
    if (this.phase === 'live') this.setPhase('reconnecting');
    if (this.retry !== null || this.wanted === null) return;
    const delay_ms = retryDelay_ms(this.attempt, this.around.random());
    this.attempt += 1;
    this.retry = this.around.setTimer(() => this.connect(), delay_ms);
  }

  /**
   * Silence for two heartbeats is a dead line, whatever the socket says; and without heartbeats nobody vouches.
   * A question that got no answer meanwhile was lost: it is asked on another line.
   */
  private watch(): void {
    const now_ms = this.around.now_ms();
    if (now_ms - this.fresh_ms > this.limit_ms() || (this.phase === 'live' && !this.isVouched())) this.setPhase('stale');
    // A socket that was opened just now has not had its time yet.
    const silent_ms = now_ms - Math.max(this.lastFrame_ms, this.opened_ms);
    const isLost = this.pending > 0 && now_ms - this.asked_ms > this.limit_ms();
    if (this.socket !== null && (silent_ms > this.limit_ms() || isLost)) this.breakOff();
    this.check = this.around.setTimer(() => this.watch(), CHECK_MS);
  }

  private limit_ms(): number {
    return 2 * this.heartbeat_s * 1000;
  }

  /** An edge that does not hear of its origin shows what it has, and sends no heartbeats. */
  private isVouched(): boolean {
    return this.around.now_ms() - this.vouched_ms <= this.limit_ms();
  }

  private breakOff(): void {
    this.drop();
    this.lost();
  }

  private receive(text: string): void {
    let frame: Frame | null;
    try {
      frame = decodeFrame(text);
    } catch (error) {
      // A frame that cannot be read is a hole. Start again from a snapshot, by way of the back-off:
      // asking at once would loop at the speed of the network if the snapshot is what cannot be read.
      console.error('pantau: unreadable frame', error);
      this.whole = false;
      this.breakOff();
      return;
    }
    this.lastFrame_ms = this.around.now_ms();
    if (frame !== null) this.handle(frame);
    this.freshen();
    if (this.phase === 'live') this.tell((page) => page.frame?.());
  }

  private handle(frame: Frame): void {
    switch (frame.type) {
      case 'hello':
        return this.greet(frame);
      case 'snapshot':
      case 'delta':
        return frame.id === SUBSCRIPTION_ID ? this.fold(frame) : undefined;
      case 'heartbeat':
        this.vouched_ms = this.lastFrame_ms;
        if (this.view !== null && this.inStep) this.view = applyHeartbeat(this.view, frame.seq);
        this.tell((page) => page.degraded?.(frame.degraded));
        if (this.clock !== null) this.setClock(correctClock(this.clock, frame.timeMs, frame.speed, this.around.now_ms()));
        return;
      case 'alarm':
        if (this.shown.isNew(this.epoch, frame.id)) this.tell((page) => page.alarm?.(frame));
        return;
      case 'error':
        if (frame.id === SUBSCRIPTION_ID) return this.refuse(frame.problem);
        // Of another message than a question: whoever reads it keeps it until the next change.
        if (!this.refused) this.setProblem(frame.problem);
        return;
      case 'presence':
        return this.tell((page) => page.people?.(frame.people));
      case 'pong':
        return;
    }
  }

  private greet(hello: Hello): void {
    this.epoch = hello.epoch;
    this.greeted = true;
    this.heartbeat_s = hello.heartbeatS;
    if (hello.inTouch) this.vouched_ms = this.lastFrame_ms;
    const isOther = this.build !== null && this.build !== hello.build;
    this.build ??= hello.build;
    this.sendSubscribe(true);
    if (hello.presence) this.whereabout.opened((message) => this.socket?.send(JSON.stringify(message)));
    else this.whereabout.closed();
    this.setClock(startClock(hello.nowMs, hello.speed, this.around.now_ms()));
    this.tell((page) => page.hello?.(hello));
    this.tell((page) => page.degraded?.(hello.degraded));
    if (isOther) this.tell((page) => page.newBuild?.(hello.build));
  }

  private fold(frame: Snapshot | Delta): void {
    const isPan = frame.type === 'delta' && frame.view !== this.toldView;
    const isOfQuestion = frame.type === 'snapshot' && (frame.reason === 'subscribed' || frame.reason === 'replaced');
    // What answers no question goes on with what was subscribed before.
    if (this.toldView === '' || isPan || isOfQuestion) this.answered();
    this.toldView = frame.view;
    if (frame.type === 'snapshot') return this.show(fromSnapshot(this.epoch, frame), 'snapshot');
    // After a hole what was under way changes nothing: the snapshot that was asked for replaces all. Where the question
    // was a pan of what the server has, its answer is no snapshot; asked once more it is.
    if (!this.whole) return isPan ? this.sendSubscribe(false) : undefined;
    const folded = this.view === null ? { kind: 'hole' as const } : applyDelta(this.view, frame);
    return folded.kind === 'hole' ? this.beginAnew() : this.show(folded.view, 'delta');
  }

  private show(view: View, cause: 'snapshot' | 'delta'): void {
    this.view = view;
    if (cause === 'snapshot') this.whole = true;
    this.inStep = true;
    this.attempt = 0;
    if (!this.refused) this.setProblem(null);
    this.freshen();
    this.tell((page) => page.view?.(view, cause));
  }

  private answered(): void {
    this.takeAnswer();
    this.refused = false;
    this.refusals = 0;
    this.askNoMore();
    if (this.pending === 0) this.setBehind(false);
  }

  private takeAnswer(): void {
    this.pending = Math.max(0, this.pending - 1);
    this.asked_ms = this.around.now_ms();
  }

  /** What was subscribed before goes on. What may pass is asked again, with a growing pause. */
  private refuse(problem: Problem): void {
    this.takeAnswer();
    // What was asked since is still to be answered.
    if (this.pending > 0) return;
    this.refused = true;
    this.setProblem(problem);
    this.setBehind(true);
    this.askNoMore();
    if (problem.type === INVALID) return;
    const delay_ms = retryDelay_ms(this.refusals, this.around.random());
    this.refusals += 1;
    this.again = this.around.setTimer(() => this.sendSubscribe(!this.inStep), delay_ms);
  }

  private askNoMore(): void {
    if (this.again !== null) this.around.clearTimer(this.again);
    this.again = null;
  }

  /** Something is missing: what is held takes no more, until a snapshot replaces it. */
  private beginAnew(): void {
    this.whole = false;
    this.inStep = false;
    if (this.phase === 'live') this.setPhase('reconnecting');
    this.sendSubscribe(false);
  }

  /** Live is only what this socket brought up to date, while its server vouches for it. */
  private freshen(): void {
    if (!this.inStep) return;
    const isVouched = this.isVouched();
    if (isVouched) this.fresh_ms = this.lastFrame_ms;
    this.setPhase(isVouched ? 'live' : 'stale');
  }

  private sendSubscribe(mayResume: boolean): void {
    if (this.socket === null || !this.greeted || this.wanted === null) return;
    this.askNoMore();
    if (this.pending === 0) this.asked_ms = this.around.now_ms();
    this.pending += 1;
    const held = this.view;
    const resume = mayResume && this.whole && held !== null ? { epoch: held.epoch, seq: held.seq, view: held.view } : undefined;
    this.socket.send(
      JSON.stringify({
        type: 'subscribe',
        id: SUBSCRIPTION_ID,
        bbox: this.wanted.bbox,
        zoom: this.wanted.zoom,
        filter: this.wanted.filter,
        layers: ['incidents', 'hotspots', 'stats'],
        resume,
      }),
    );
  }

  private setPhase(phase: Phase): void {
    if (phase === this.phase) return;
    this.phase = phase;
    this.tell((page) => page.phase?.(phase));
    this.tellClock();
  }

  private setProblem(problem: Problem | null): void {
    if (problem === this.problem) return;
    this.problem = problem;
    this.tell((page) => page.problem?.(problem));
  }

  private setBehind(behind: boolean): void {
    this.tellNoMore();
    if (behind === this.behind) return;
    this.behind = behind;
    this.tell((page) => page.behind?.(behind));
  }

  private tellNoMore(): void {
    if (this.telling !== null) this.around.clearTimer(this.telling);
    this.telling = null;
  }

  private setClock(clock: ServerClock): void {
    if (clock === this.clock) return;
    this.clock = clock;
    this.tellClock();
  }

  private tellClock(): void {
    if (this.clock === null) return;
    const lost = this.phase === 'reconnecting' || this.phase === 'stale';
    const told = lost ? holdClock(this.clock, this.lastFrame_ms) : this.clock;
    this.tell((page) => page.clock?.(told));
  }

  /** A handler that throws is a fault of the page: what the feed holds stays right, and it goes on. */
  private tell(say: (page: Partial<FeedEvents>) => void): void {
    try {
      say(this.events);
    } catch (error) {
      console.error('pantau: the page could not take what the feed told it', error);
    }
  }
}

/** Close codes from 4500 on mean that this program speaks wrongly; after all others the page returns. */
export function comesBack(code: number): boolean {
  return code < 4500 || code > 4999;
}

export function liveUrl(projection: 'public' | null): string {
  const url = new URL('/api/v1/live', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  if (projection !== null) url.searchParams.set('projection', projection);
  return url.href;
}

function browser(): Surroundings {
  return {
    open: (url) => new InflatingSocket(new WebSocket(url, subprotocols())),
    now_ms: () => performance.now(),
    random: () => Math.random(),
    setTimer: (run, ms) => window.setTimeout(run, ms),
    clearTimer: (timer) => window.clearTimeout(timer),
  };
}
