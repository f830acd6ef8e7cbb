/** A replay as it runs: the hand on its clock, and the moment that is read for where the hand stands. */
import { ProblemError, type Query } from '../feed/http';
import type { Problem } from '../feed/protocol';
import { problemOf } from '../ui/problem';
import { readMoment, readOpened, type Look, type PastView } from './moment';
import { pass, seek, type Player } from './player';
import { LatestReader } from './reader';

/** A wish for a new moment goes out this often while the clock runs. */
export const ASK_EVERY_MS = 500;
/** Up to this speed what came in pulses; beyond it everything would. */
const PULSE_SPEED_MAX = 60;

export interface Moment {
  readonly view: PastView;
  /** It follows on what was shown before: what came in pulses. */
  readonly follows: boolean;
  readonly atMs: number;
}

interface Wish {
  readonly atMs: number;
  readonly look: Look;
  readonly filter: Query;
  readonly follows: boolean;
}

export class Playback {
  player: Player = $state.raw() as unknown as Player;
  moment = $state.raw<Moment | null>(null);
  /** When incidents were opened within the span; null: it is not known. */
  opened = $state.raw<readonly number[] | null>(null);
  trouble = $state<'network' | 'refused' | null>(null);
  /** In the server's words. */
  problem = $state.raw<Problem | null>(null);

  private look: Look | null = null;
  private readonly reader: LatestReader<Wish, PastView>;

  constructor(
    player: Player,
    /** The hand was moved, or stopped: the address should know. */
    private readonly kept: (player: Player) => void,
    /** What of the moment is asked for; nothing: all. */
    private readonly filter: () => Query = () => ({}),
    read: (wish: Wish) => Promise<PastView> = ({ atMs, look, filter: only }) => readMoment(atMs, look, only),
  ) {
    this.player = player;
    this.reader = new LatestReader(
      read,
      ({ atMs, follows }, view) => {
        this.moment = { view, follows: follows && this.moment !== null && atMs >= this.moment.atMs, atMs };
        this.trouble = null;
      },
      (error) => {
        this.trouble = error instanceof ProblemError && error.problem.status < 500 ? 'refused' : 'network';
        this.problem = problemOf(error);
        this.player = { ...this.player, playing: false };
      },
    );
  }

  /** The reader looks elsewhere: what lies there is to be read. */
  lookAt(look: Look): void {
    this.look = look;
    this.ask(false);
  }

  /** A hand, or a key, moved it. */
  move(next: Player): void {
    const before = this.player;
    this.player = next;
    const jumped = next.atMs !== before.atMs;
    // After a fault, playing on is asking again.
    if (jumped || (next.playing && this.trouble !== null)) this.ask(false);
    if (jumped || next.speed !== before.speed) this.kept(next);
  }

  seek(atMs: number): void {
    this.move(seek({ ...this.player, playing: false }, atMs));
  }

  /** Whether what is shown is a choice of all. */
  get isFiltered(): boolean {
    return Object.values(this.filter()).some((value) => value !== undefined && value !== '');
  }

  /** Another span, from its beginning. */
  span(fromMs: number, toMs: number): void {
    this.player = { ...this.player, fromMs, toMs, atMs: fromMs, playing: false };
    this.opened = null;
    this.ask(false);
    this.kept(this.player);
    void this.readBars();
  }

  ask(follows: boolean): void {
    if (this.look !== null) this.reader.ask({ atMs: this.player.atMs, look: this.look, filter: this.filter(), follows });
  }

  /** So much real time passed. The clock waits for the picture: what it says is what is seen. */
  passed(real_ms: number): void {
    if (!this.player.playing || this.reader.isBusy) return;
    this.player = pass(this.player, Math.min(real_ms, 2 * ASK_EVERY_MS));
    this.ask(this.player.speed <= PULSE_SPEED_MAX);
    if (!this.player.playing) this.kept(this.player);
  }

  /** Returns how to end it. */
  run(): () => void {
    let last_ms = performance.now();
    const tick = setInterval(() => {
      const now_ms = performance.now();
      this.passed(now_ms - last_ms);
      last_ms = now_ms;
    }, ASK_EVERY_MS);
    void this.readBars();
    return () => clearInterval(tick);
  }

  private async readBars(): Promise<void> {
    const { fromMs, toMs } = this.player;
    try {
      const found = await readOpened(fromMs, toMs, this.filter());
      if (this.player.fromMs === fromMs && this.player.toMs === toMs) this.opened = found;
    } catch {
      // The bars are a help to find one's way; the moments say what is wrong.
      this.opened = null;
    }
  }
}
