/** What the tests of `Work` share: one incident on a server that is none, a clock that stands, and somebody who works on it. */
import { afterEach, beforeEach, vi } from 'vitest';
import { readHeld } from './held';
import type { Offer } from './offer';
import { offer, Server } from './testing';
import { Undo, UNDO_MS } from './undo.svelte';
import { Work } from './work.svelte';

export const ID = 'i:7';
export let server: Server;
export let undo: Undo;
export let work: Work;

/** Anew for each test of the file. */
export function workbench(): void {
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] });
    server = new Server(ID);
    vi.stubGlobal('fetch', server.fetch);
    vi.stubGlobal('document', { hidden: false });
    const store = new Map<string, string>();
    vi.stubGlobal('sessionStorage', { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, text: string) => void store.set(key, text), removeItem: (key: string) => void store.delete(key) });
    undo = new Undo();
    await takeUp();
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
}

/** The incident is opened in a page that knows nothing of the one before. */
export async function takeUp(may: Offer = offer(), before?: ConstructorParameters<typeof Work>[3]): Promise<void> {
  work = new Work(() => undefined, may, undo, before);
  work.show(ID, null);
  await settled();
}

/** What another page finds once this one died. */
export async function nextPage(): Promise<Work> {
  const next = new Work(() => undefined, offer(), new Undo());
  void next.recover();
  await vi.advanceTimersByTimeAsync(3_000);
  return next;
}

/** Longer than a key needs to be pressed twice by mistake, and than a reading waits. */
export const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(2_000);
/** What waits has gone out. */
export const waited = (): Promise<unknown> => vi.advanceTimersByTimeAsync(UNDO_MS + 2_000);

/** Answers come when they are let go. */
export function slow(): { readonly go: () => Promise<unknown> } {
  let waiting: (() => void)[] = [];
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    if (init?.method === 'POST') await new Promise<void>((resolve) => waiting.push(resolve));
    return server.fetch(url, init);
  });
  return {
    go: async () => {
      for (let round = 0; round < 4; round++) {
        const now = waiting;
        waiting = [];
        for (const run of now) run();
        await vi.advanceTimersByTimeAsync(50);
      }
    },
  };
}

export const CHECKLIST = ['call', 'pump', 'drain'].map((key) => ({ key, name: { id: key, en: key }, done_at: null, by: null, after_s: null }));
export const kept = (): readonly [string, string | undefined][] => readHeld(sessionStorage.getItem('pantau.console.held')).map(({ sent }) => [sent.action, sent.step]);
