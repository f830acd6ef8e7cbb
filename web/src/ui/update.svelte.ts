/** A newer build of the page: taken when nobody is in the middle of something, or when they say so. */

/** Pages of ten thousand readers do not all reload in one second. */
const SPREAD_MS = 4_000;
const LOOK_MS = 1_000;
/** Whoever pressed a key a moment ago goes on with the next one. */
const REST_MS = 3_000;

export interface Surroundings {
  /** Something is typed, chosen or open on the page as it stands. */
  inUse(): boolean;
  /** Since the last key, finger or mouse button. */
  rested_ms(): number;
  reload(): void;
  random(): number;
  setTimer(run: () => void, ms: number): void;
}

export class Update {
  /** It is there, and somebody is in the middle of something. */
  waits = $state(false);
  private found = false;

  constructor(
    /** What the page knows to be unfinished; null: nobody types here, and it is taken at once. */
    private readonly busy: (() => boolean) | null,
    private readonly around: Surroundings = browser(),
  ) {}

  /** The server runs another build than the one that this page came with. */
  find(): void {
    if (this.found) return;
    this.found = true;
    this.around.setTimer(() => this.look(), this.around.random() * SPREAD_MS);
  }

  now(): void {
    this.around.reload();
  }

  private look(): void {
    if (this.busy === null) return this.now();
    const isBusy = this.busy() || this.around.inUse();
    // Whoever merely pressed a key need not read about it.
    this.waits = isBusy || (this.waits && this.around.rested_ms() < REST_MS);
    if (!isBusy && this.around.rested_ms() >= REST_MS) return this.now();
    this.around.setTimer(() => this.look(), LOOK_MS);
  }
}

const FIELDS = 'textarea, select, input:not([type="checkbox"], [type="radio"], [type="file"], [type="range"], [type="button"])';

/** A dialog, a field that somebody is in, or one with something written in it. */
export function isInUse(page: Document): boolean {
  if (page.querySelector('dialog[open]') !== null || page.activeElement?.matches(FIELDS) === true) return true;
  return [...page.querySelectorAll<HTMLTextAreaElement | HTMLInputElement>('textarea, input')].some((field) => field.matches(FIELDS) && field.value !== field.defaultValue);
}

function browser(): Surroundings {
  let at_ms = -REST_MS;
  for (const kind of ['keydown', 'pointerdown'] as const) addEventListener(kind, () => (at_ms = performance.now()), { capture: true, passive: true });
  return {
    inUse: () => isInUse(document),
    rested_ms: () => performance.now() - at_ms,
    reload: () => location.reload(),
    random: () => Math.random(),
    setTimer: (run, ms) => void setTimeout(run, ms),
  };
}
