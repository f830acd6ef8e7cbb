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
import { decodeFrame, type Alarm, type Bbox, type Frame, type Hello, type Person, type Problem } from './protocol';

const SUBSCRIPTION_ID = 'main';
/** Until `hello` names the beat. */
const HEARTBEAT_S_DEFAULT = 15;
const CHECK_MS = 500;

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
 * `connecting`: nothing was ever shown. `live`: frames come. `reconnecting`: the socket is gone, what is shown is
 * moments old. `stale`: no frame for two heartbeats.
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
  alarm(alarm: Alarm): void;
  phase(phase: Phase): void;
  /** The server's time as the page shows it. */
  clock(clock: ServerClock): void;
  hello(hello: Hello): void;
  /** Whether new reports may be missing from what is shown. */
  degraded(degraded: boolean): void;
  /** The server runs another build than the one this page came with. */
  newBuild(build: string): void;
  problem(problem: Problem): void;
  /** Who of the staff is where; nobody while the line is lost, for then nobody knows. */
  people(people: readonly Person[]): void;
  /** A frame of any kind arrived: the pulse of the live badge. */
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
  /** False until this socket said hello: nothing may be sent before it. */
  private greeted = false;
  /** Whether this socket has brought the held view up to date: before that its heartbeats say nothing of it. */
  private inStep = false;
  /** Whether the held view may be resumed: not after a frame that could not be read. */
  private whole = true;
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
    this.sendSubscribe(false);
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
    this.greeted = false;
    this.inStep = false;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  private lost(): void {
    this.greeted = false;
    this.whereabout.closed();
    this.events.people?.([]);
    if (this.phase === 'live') this.setPhase('reconnecting');
    if (this.retry !== null || this.wanted === null) return;
    const delay_ms = retryDelay_ms(this.attempt, this.around.random());
    this.attempt += 1;
    this.retry = this.around.setTimer(() => this.connect(), delay_ms);
  }

  /** Silence for two heartbeats is a dead line, whatever the socket says. */
  private watch(): void {
    const now_ms = this.around.now_ms();
    const limit_ms = 2 * this.heartbeat_s * 1000;
    if (now_ms - this.lastFrame_ms > limit_ms) {
      this.setPhase('stale');
      // A socket that was opened just now has not had its time yet.
      if (this.socket !== null && now_ms - this.opened_ms > limit_ms) this.breakOff();
    }
    this.check = this.around.setTimer(() => this.watch(), CHECK_MS);
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
    this.events.frame?.();
    if (frame !== null) this.handle(frame);
  }

  private handle(frame: Frame): void {
    switch (frame.type) {
      case 'hello':
        return this.greet(frame);
      case 'snapshot':
        if (frame.id !== SUBSCRIPTION_ID) return;
        return this.show(fromSnapshot(this.epoch, frame), 'snapshot');
      case 'delta': {
        if (frame.id !== SUBSCRIPTION_ID) return;
        const folded = this.view === null ? { kind: 'hole' as const } : applyDelta(this.view, frame);
        if (folded.kind === 'hole') {
          this.whole = false;
          this.inStep = false;
          return this.sendSubscribe(false);
        }
        return this.show(folded.view, 'delta');
      }
      case 'heartbeat':
        this.events.degraded?.(frame.degraded);
        if (this.view !== null && this.inStep) this.view = applyHeartbeat(this.view, frame.seq);
        if (this.clock !== null) this.setClock(correctClock(this.clock, frame.timeMs, frame.speed, this.around.now_ms()));
        return;
      case 'alarm':
        return this.events.alarm?.(frame);
      case 'error':
        return this.events.problem?.(frame.problem);
      case 'presence':
        return this.events.people?.(frame.people);
      case 'pong':
        return;
    }
  }

  private greet(hello: Hello): void {
    this.epoch = hello.epoch;
    this.greeted = true;
    this.heartbeat_s = hello.heartbeatS;
    this.setClock(startClock(hello.nowMs, hello.speed, this.around.now_ms()));
    this.events.hello?.(hello);
    this.events.degraded?.(hello.degraded);
    if (this.build !== null && this.build !== hello.build) this.events.newBuild?.(hello.build);
    this.build ??= hello.build;
    this.sendSubscribe(true);
    if (hello.presence) this.whereabout.opened((message) => this.socket?.send(JSON.stringify(message)));
    else this.whereabout.closed();
  }

  private show(view: View, cause: 'snapshot' | 'delta'): void {
    this.view = view;
    if (cause === 'snapshot') this.whole = true;
    this.inStep = true;
    this.attempt = 0;
    this.setPhase('live');
    this.events.view?.(view, cause);
  }

  private sendSubscribe(mayResume: boolean): void {
    if (this.socket === null || !this.greeted || this.wanted === null) return;
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
    this.events.phase?.(phase);
    this.tellClock();
  }

  private setClock(clock: ServerClock): void {
    if (clock === this.clock) return;
    this.clock = clock;
    this.tellClock();
  }

  private tellClock(): void {
    if (this.clock === null) return;
    const lost = this.phase === 'reconnecting' || this.phase === 'stale';
    this.events.clock?.(lost ? holdClock(this.clock, this.lastFrame_ms) : this.clock);
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
