import { afterEach, describe, expect, it, vi } from 'vitest';
import { NO_VIEW } from '../feed/fold';
import type { PastView } from '../replay/moment';
import { Past } from './past.svelte';
import { incident } from './testing';

const view = (...ids: string[]): PastView => ({ ...NO_VIEW, drills: false, items: new Map(ids.map((id) => [id, incident(id)])) });
afterEach(() => vi.unstubAllGlobals());

describe('the console looking back', () => {
  const now = Date.parse('2026-11-24T05:00:00Z');

  it('begins a quarter of an hour ago, or where the address says, and ends in the present', () => {
    vi.stubGlobal('fetch', async () => Response.json({ features: [], seq: 0 }));
    let kept = 0;
    const past = new Past('Asia/Jayapura', () => ({}), () => (kept += 1));
    past.enter(new URLSearchParams('tab=open'), now, null);
    expect([past.isOn, past.playback?.player.atMs, past.playback?.player.toMs]).toEqual([true, now - 15 * 60_000, now]);
    past.leave();
    // Five minutes after midnight in the city.
    const midnight = Date.parse('2026-11-24T15:05:00Z');
    past.enter(new URLSearchParams(), midnight, null);
    expect([past.playback?.player.atMs, past.playback?.player.toMs]).toEqual([midnight - 15 * 60_000, midnight]);
    past.leave();
    expect([past.isOn, past.seen]).toEqual([false, null]);
    past.enter(new URLSearchParams('at=2026-11-24T02:00:00Z&speed=600'), now, null);
    expect([past.playback?.player.atMs, past.playback?.player.speed]).toEqual([Date.parse('2026-11-24T02:00:00Z'), 600]);
    past.leave();
    expect(kept).toBe(3);
  });

  it('shows what was chosen as it stood at the moment, and nothing of it in the present', () => {
    vi.stubGlobal('fetch', async () => Response.json({ features: [], seq: 0 }));
    const past = new Past('Asia/Jayapura', () => ({}), () => undefined);
    past.pick(incident('i:1'));
    expect(past.seen).toBeNull();
    past.enter(new URLSearchParams(), now, null);
    past.pick(incident('i:1', { status: 'verified' }));
    expect(past.seen).toMatchObject({ incident: { status: 'verified' }, atMs: now - 15 * 60_000 });
    if (past.playback !== null) past.playback.moment = { view: view('i:1'), follows: false, atMs: 7 };
    expect(past.seen).toMatchObject({ incident: { status: 'new' }, atMs: 7 });
    // It was known by itself no more: the last that was known of it, with its time.
    if (past.playback !== null) past.playback.moment = { view: view(), follows: false, atMs: 8 };
    expect(past.seen).toMatchObject({ incident: { status: 'verified' }, atMs: now - 15 * 60_000 });
    past.leave();
  });
});
