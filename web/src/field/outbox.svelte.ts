/**
 * Notes, answers and steps of the checklist on their way: one after the other, kept until the server has them, sent
 * again when the line is back, and stored once. What got no answer may be stored all the same: it goes out again with
 * the version that was seen, and where that is no longer the newest, the history tells.
 */
import { getCase, lastSeq, sendAction, type CaseFile } from '../console/casefile';
import { storedAt } from '../console/stored';
import { ProblemError } from '../feed/http';
import type { Problem } from '../feed/protocol';
import { problemOf } from '../ui/problem';
import { newId, type Kept, type Store, type Wish } from './waiting';

/**
 * `lost`: there was no answer, and it is tried again. `changed`: the incident is another by now, and a citizen would
 * read it. `refused`: the server will not have it.
 */
export type WaitState = 'waiting' | 'sending' | 'lost' | 'changed' | 'refused';

export interface Waiting extends Kept {
  readonly state: WaitState;
  /** Whoever wrote it is not signed in any more. */
  readonly signin: boolean;
  /** It outlives the page. */
  readonly kept: boolean;
  /** The server's answer, where it refused. */
  readonly problem: Problem | null;
}

/** What was seen of an incident. */
export interface Seen {
  readonly version: number | null;
  readonly seq: number;
  readonly afterMs: number;
}

/** An incident on which something happens every second need not be chased for ever. */
const TRIES = 4;

export interface Line {
  send(incident: string, wish: Wish): Promise<CaseFile>;
  read(incident: string): Promise<CaseFile>;
}

const SERVER: Line = { send: sendAction, read: getCase };

export class Outbox {
  all = $state.raw<readonly Waiting[]>([]);
  /** Who is signed in, as far as it is known. */
  me = $state<string | null>(null);
  private isRunning = false;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: Store,
    /** The server has it: the incident as it is by now. */
    private readonly arrived: (file: CaseFile) => void,
    private readonly line: Line = SERVER,
    /** Not while another tab sends the same one. */
    private readonly alone: (id: string, job: () => Promise<void>) => Promise<void> = (_, job) => job(),
  ) {
    this.all = store.all().map((one) => waiting(one, true));
  }

  /** Of whoever is signed in. */
  get own(): readonly Waiting[] {
    return this.all.filter(({ by }) => by === this.me);
  }

  get lost(): number {
    return this.own.filter(({ state }) => state === 'lost').length;
  }

  /** A page that goes now would lose one, or not see its answer. */
  get busy(): boolean {
    return this.all.some(({ state, kept }) => state === 'sending' || !kept);
  }

  of(incident: string): readonly Waiting[] {
    return this.own.filter((one) => one.incident === incident);
  }

  /** Somebody is signed in: what waits for them goes out. */
  meet(name: string): void {
    this.me = name;
    void this.again();
  }

  async add(incident: string, wish: Wish, seen: Seen): Promise<void> {
    if (this.me === null) return;
    const one: Kept = { id: newId(), incident, by: this.me, wish: { ...wish, version: seen.version }, seq: seen.seq, afterMs: seen.seq > 0 ? 0 : seen.afterMs };
    this.all = [...this.all, waiting(one, this.store.put(one))];
    // What was written before goes first.
    await this.again();
  }

  /** A step is ticked, or no longer. `done`: as the incident has it. What waits for the same step is not sent then. */
  async tick(incident: string, step: string, to: boolean, done: boolean, seen: Seen): Promise<void> {
    for (const { id, wish, state } of this.of(incident)) if (wish.step === step && state !== 'sending') this.drop(id);
    const under = this.of(incident).find(({ wish }) => wish.step === step);
    if (to === (under?.wish.done ?? done)) return;
    await this.add(incident, { action: 'check', version: null, words: '', agency: null, step, done: to }, seen);
  }

  /** The line is back, or somebody asks for it. */
  async again(): Promise<void> {
    this.all = this.all.map((one) => (one.state === 'lost' ? { ...one, state: 'waiting', signin: false } : one));
    await this.run();
  }

  /** Whoever wrote it has read what changed, and sends it all the same. */
  async anyway(id: string, seen: Seen): Promise<void> {
    this.all = this.all.map((one) => (one.id === id && one.state !== 'sending' ? { ...one, state: 'waiting', wish: { ...one.wish, version: seen.version } } : one));
    await this.run();
  }

  /** It is not to be sent; not where it is under way. Whether it is gone. */
  drop(id: string): boolean {
    if (this.all.some((one) => one.id === id && one.state === 'sending')) return false;
    this.forget(id);
    return true;
  }

  private forget(id: string): void {
    this.all = this.all.filter((one) => one.id !== id);
    this.store.drop(id);
  }

  private set(id: string, more: Partial<Waiting>): void {
    this.all = this.all.map((one) => (one.id === id ? { ...one, ...more } : one));
  }

  private run(): Promise<void> {
    if (!this.isRunning) this.running = this.sendAll();
    return this.running;
  }

  private async sendAll(): Promise<void> {
    this.isRunning = true;
    try {
      for (let next = this.next(); next !== undefined; next = this.next()) await this.sendOne(next);
    } finally {
      this.isRunning = false;
    }
  }

  private next(): Waiting | undefined {
    return this.own.find(({ state }) => state === 'waiting');
  }

  private async sendOne(one: Waiting): Promise<void> {
    this.set(one.id, { state: 'sending', problem: null });
    const job = async (): Promise<void> => {
      // Another tab of this browser found it, too, and was faster.
      if (one.kept && !this.store.all().some(({ id }) => id === one.id)) this.forget(one.id);
      else await this.transmit(one);
    };
    await this.alone(one.id, job).catch(() => this.lose(false));
  }

  private async transmit(one: Waiting): Promise<void> {
    let version = one.wish.version;
    for (let tries = 0; ; tries++) {
      try {
        const file = await this.line.send(one.incident, { ...one.wish, version });
        return this.done(one, version, file, lastSeq(file), file.incident.version);
      } catch (error) {
        const next = await this.afterFault(one, version, error, tries).catch((fault: unknown) => this.failed(one.id, fault));
        if (next === null) return;
        version = next;
      }
    }
  }

  /** The version with which it goes out again; null: it does not, and it is known why. */
  private async afterFault(one: Waiting, version: number | null, error: unknown, tries: number): Promise<number | null> {
    if (!isOfVersion(error)) return this.failed(one.id, error);
    const file = await this.line.read(one.incident);
    const stored = storedAt(file, { sent: { ...one.wish, version }, seq: one.seq, afterMs: one.afterMs }, one.by);
    const check = file.checklist.find(({ key }) => key === one.wish.step);
    if (stored !== null || (check !== undefined && (check.doneAtMs !== null) === (one.wish.done === true))) {
      this.done(one, version, file, stored ?? one.seq, null);
      return null;
    }
    if (one.wish.action === 'answer') {
      this.set(one.id, { state: 'changed' });
      // What has changed is to be read.
      this.arrived(file);
    } else if (tries < TRIES) return file.incident.version;
    else this.lose(false);
    return null;
  }

  /** `now`: what this very step made of the incident; null: others may have had a part in it. */
  private done(one: Waiting, version: number | null, file: CaseFile, seq: number, now: number | null): void {
    // What was written after it, looking at the same state, was written knowing of it.
    this.all = this.all.map((other) => {
      if (other.incident !== one.incident || other.id === one.id) return other;
      const same = now !== null && other.wish.version === version;
      const after = Math.max(other.seq, seq);
      const next = { ...other, seq: after, afterMs: after > 0 ? 0 : other.afterMs, ...(same && { wish: { ...other.wish, version: now } }) };
      if (next.kept) this.store.put(kept(next));
      return next;
    });
    this.forget(one.id);
    this.arrived(file);
  }

  private failed(id: string, error: unknown): null {
    const status = error instanceof ProblemError ? error.problem.status : 0;
    // A server in trouble, or too many at once: as where there was no answer.
    if (status === 0 || status === 401 || status === 429 || status >= 500) this.lose(status === 401);
    else this.set(id, { state: 'refused', problem: problemOf(error) });
    return null;
  }

  /** What failed for want of a line would fail for each of them. */
  private lose(signin: boolean): void {
    this.all = this.all.map((one) => (one.state === 'sending' || (one.state === 'waiting' && one.by === this.me) ? { ...one, state: 'lost', signin } : one));
  }
}

function waiting(one: Kept, isKept: boolean): Waiting {
  return { ...one, state: 'waiting', signin: false, kept: isKept, problem: null };
}

function kept({ id, incident, by, wish, seq, afterMs }: Waiting): Kept {
  return { id, incident, by, wish, seq, afterMs };
}

/** It came too late: the incident has changed since it was seen. */
function isOfVersion(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.status === 409 && error.problem.type === '/problems/version';
}
