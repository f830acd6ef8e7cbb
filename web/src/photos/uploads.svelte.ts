/** Photos on their way: one after the other, kept until the server has them, tried again when the line is back. */
import { ProblemError } from '../feed/http';
import type { Problem } from '../feed/protocol';
import { problemOf } from '../ui/problem';
import type { Kept, Store } from './kept';
import { faultOfFile, type AddedKind, type FileFault } from './photo';
import type { SendPhoto } from './send';

/**
 * `waiting`: it goes out next. `lost`: there was no answer; it is kept and tried again. `refused`: the server, or a
 * look at the file, will not have it. `dropped`: somebody threw it away, and can take that back for a moment.
 */
export type UploadState = 'waiting' | 'sending' | 'lost' | 'refused' | 'dropped';

/** So long what was thrown away can be had back. */
export const BACK_MS = 10_000;

export interface Upload {
  readonly id: string;
  readonly incident: string;
  readonly kind: AddedKind;
  readonly file: Blob;
  readonly atMs: number;
  /** The browser keeps it until the server has it. */
  readonly kept: boolean;
  readonly state: UploadState;
  /** From 0 to 1. */
  readonly progress: number;
  /** `signin`: whoever works here is not signed in any more; it is kept. */
  readonly fault: FileFault | 'server' | 'signin' | null;
  /** The server's answer, where it refused. */
  readonly problem: Problem | null;
}

export class Uploads {
  all = $state.raw<readonly Upload[]>([]);
  private running = false;

  constructor(
    private readonly send: SendPhoto,
    private readonly store: Store,
    /** The server has it: the incident as it answered. */
    private readonly arrived: (incident: string, answer: unknown) => void,
    private readonly newId: () => string = () => crypto.randomUUID(),
    private readonly now: () => number = () => Date.now(),
    /** Not while another tab sends the same one. */
    private readonly alone: (id: string, job: () => Promise<void>) => Promise<void> = (_, job) => job(),
  ) {}

  /** Kept, and not sent: those of incidents that are not looked at, too. */
  get lost(): number {
    return this.all.filter(({ state }) => state === 'lost').length;
  }

  /** A page that goes now would lose one, or cut it off. */
  get busy(): boolean {
    return this.all.some(({ state, kept }) => state === 'sending' || state === 'dropped' || (state !== 'refused' && !kept));
  }

  of(incident: string): readonly Upload[] {
    return this.all.filter((one) => one.incident === incident);
  }

  /** What the page before could not send. */
  async recover(): Promise<void> {
    const kept = await this.store.all().catch(() => []);
    const held = new Set(this.all.map(({ id }) => id));
    this.all = [...this.all, ...kept.filter(({ id }) => !held.has(id)).map((one) => this.fresh(one, true))];
    await this.run();
  }

  async add(incident: string, kind: AddedKind, files: readonly Blob[]): Promise<void> {
    for (const file of files) {
      const one: Kept = { id: this.newId(), incident, kind, file, atMs: this.now() };
      const fault = await faultOfFile(file).catch((): FileFault => 'empty');
      const fresh = this.fresh(one, false);
      this.all = [...this.all, fault === null ? fresh : { ...fresh, state: 'refused', fault }];
      if (fault === null) await this.keep(one);
    }
    await this.run();
  }

  /** The line is back, or somebody asks for it. */
  async again(): Promise<void> {
    this.all = this.all.map((one) => (one.state === 'lost' ? { ...one, state: 'waiting', fault: null } : one));
    await this.run();
  }

  /** It is forgotten at once, should the page go; while that lasts it can be had back. Not where it is under way. */
  drop(id: string): void {
    if (!this.all.some((one) => one.id === id && one.state !== 'sending' && one.state !== 'dropped')) return;
    this.set(id, { state: 'dropped', kept: false });
    void this.store.drop(id).catch(() => undefined);
    setTimeout(() => (this.all = this.all.filter((one) => one.id !== id || one.state !== 'dropped')), BACK_MS);
  }

  /** It was thrown away by mistake: it goes out, or stands there with its fault, as before. */
  async takeBack(id: string): Promise<void> {
    const one = this.all.find((one) => one.id === id && one.state === 'dropped');
    if (one === undefined) return;
    const refused = one.fault !== null && one.fault !== 'signin';
    this.set(id, { state: refused ? 'refused' : 'waiting', fault: refused ? one.fault : null });
    if (refused) return;
    await this.keep({ id, incident: one.incident, kind: one.kind, file: one.file, atMs: one.atMs });
    await this.run();
  }

  private async keep(one: Kept): Promise<void> {
    await this.store.put(one).then(() => this.set(one.id, { kept: true }), () => undefined);
    // Sent, refused or thrown away while the browser was still writing it.
    if (!this.all.some(({ id, state }) => id === one.id && state !== 'dropped' && state !== 'refused')) await this.store.drop(one.id).catch(() => undefined);
  }

  private fresh(one: Kept, kept: boolean): Upload {
    return { ...one, kept, state: 'waiting', progress: 0, fault: null, problem: null };
  }

  private set(id: string, more: Partial<Upload>): void {
    this.all = this.all.map((one) => (one.id === id ? { ...one, ...more } : one));
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      for (let next = this.next(); next !== undefined; next = this.next()) await this.sendOne(next);
    } finally {
      this.running = false;
    }
  }

  private next(): Upload | undefined {
    return this.all.find(({ state }) => state === 'waiting');
  }

  private async sendOne(one: Upload): Promise<void> {
    this.set(one.id, { state: 'sending', progress: 0 });
    const job = async (): Promise<void> => {
      // Another tab of this browser found it, too, and was faster.
      if (one.kept && !(await this.store.has(one.id).catch(() => true))) this.all = this.all.filter(({ id }) => id !== one.id);
      else await this.transmit(one);
    };
    await this.alone(one.id, job).catch(() => this.set(one.id, { state: 'lost', progress: 0 }));
  }

  private async transmit({ id, incident, file, kind }: Upload): Promise<void> {
    let answer: unknown;
    try {
      answer = await this.send(id, incident, file, kind, (progress) => this.set(id, { progress }));
    } catch (error) {
      const status = error instanceof ProblemError ? error.problem.status : 0;
      // Too many at once, or a server in trouble: it stays, as where there was no answer.
      if (status === 0 || status === 401 || status === 429 || status >= 500) this.loseAll(id, status === 401 ? 'signin' : null);
      else {
        this.set(id, { state: 'refused', fault: 'server', problem: problemOf(error) });
        await this.store.drop(id).catch(() => undefined);
      }
      return;
    }
    this.all = this.all.filter((one) => one.id !== id);
    await this.store.drop(id).catch(() => undefined);
    try {
      this.arrived(incident, answer);
    } catch (error) {
      // The server has it; what it answered shows with the next reading.
      console.error('pantau: unreadable answer to a photo', error);
    }
  }

  /** What failed for want of a line would fail for each of them. */
  private loseAll(id: string, fault: 'signin' | null): void {
    this.all = this.all.map((one) => (one.id === id || one.state === 'waiting' ? { ...one, state: 'lost', progress: 0, fault } : one));
  }
}
