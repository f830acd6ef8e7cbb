import { afterEach, describe, expect, it, vi } from 'vitest';
import { NO_VIEW } from '../feed/fold';
import { ProblemError } from '../feed/http';
import { incident } from '../console/testing';
import { namesMoment, withMoment, withoutMoment } from './address';
import { dayOf, spanOfDay } from './day';
import { readMoment, type PastView } from './moment';
import { Playback } from './playback.svelte';
import { toggle, type Player } from './player';

const HOUR_MS = 3_600_000;
const DAY: Player = { fromMs: 0, toMs: 24 * HOUR_MS, atMs: HOUR_MS, speed: 60, playing: false };
const LOOK = { bbox: [127.3, 0.7, 127.5, 0.9] as const, zoom: 12 };
const view = (...ids: string[]): PastView => ({ ...NO_VIEW, drills: false, items: new Map(ids.map((id) => [id, incident(id)])) });
/** Answers that are on their way arrive. */
const settled = async (): Promise<void> => {
  for (let n = 0; n < 20; n++) await Promise.resolve();
};

afterEach(() => vi.unstubAllGlobals());

describe('a replay that runs', () => {
  it('reads each moment for what is looked at and filtered, and pulses only where it follows', async () => {
    const asked: [number, unknown][] = [];
    const kept: number[] = [];
    const playback = new Playback(DAY, ({ atMs }) => kept.push(atMs), () => ({ category: 'water' }), async ({ atMs, filter }) => {
      asked.push([atMs, filter]);
      return view('i:1');
    });
    playback.passed(1_000);
    expect(asked).toEqual([]);
    playback.lookAt(LOOK);
    await settled();
    expect(asked).toEqual([[HOUR_MS, { category: 'water' }]]);
    playback.move(toggle(playback.player));
    playback.passed(1_000);
    await settled();
    expect(playback.moment).toMatchObject({ atMs: HOUR_MS + 60_000, follows: true });
    playback.seek(2 * HOUR_MS);
    await settled();
    expect(playback.moment).toMatchObject({ atMs: 2 * HOUR_MS, follows: false });
    expect(playback.player.playing).toBe(false);
    expect(kept.at(-1)).toBe(2 * HOUR_MS);
  });

  it('stops where a moment cannot be read, says why, and asks again when it is played on', async () => {
    let down = true;
    const refusal = new ProblemError({ type: 'about:blank', title: '', detail: 'too large', status: 400 });
    const playback = new Playback({ ...DAY, playing: true }, () => undefined, () => ({}), async () => {
      if (down) throw refusal;
      return view();
    });
    playback.lookAt(LOOK);
    await settled();
    expect([playback.trouble, playback.problem?.detail, playback.player.playing]).toEqual(['refused', 'too large', false]);
    down = false;
    playback.move(toggle(playback.player));
    await settled();
    expect([playback.trouble, playback.moment?.atMs]).toEqual([null, HOUR_MS]);
  });

  it('asks hotspots only for what they heed', async () => {
    const asked: string[] = [];
    vi.stubGlobal('fetch', async (url: string) => {
      asked.push(url);
      return Response.json({ seq: 1, level: 9, features: [], total: 0, by_category: {}, by_status: {}, overdue: 0, opened_today: 0, resolved_today: 0 });
    });
    const view = await readMoment(0, LOOK, { category: 'water', agency: 'bpbd', q: 'banjir', area: '' });
    expect(view.drills).toBe(false);
    expect(asked.map((url) => url.split('?')[1]?.split('&').filter((part) => !/^(bbox|zoom|at)=/.test(part)).join('&'))).toEqual(['category=water&agency=bpbd&q=banjir', 'category=water', 'category=water&agency=bpbd&q=banjir', 'category=water&agency=bpbd&q=banjir&drill=true']);
  });
});

describe('the address of a moment', () => {
  it('keeps what else it says, and lets go of the moment alone', () => {
    const query = new URLSearchParams('tab=open&lang=en');
    const text = withMoment(query, { atMs: Date.parse('2026-11-24T05:05:00.700Z'), speed: 300 });
    expect(text).toBe('tab=open&lang=en&at=2026-11-24T05:05:00Z&speed=300');
    expect(namesMoment(new URLSearchParams(text))).toBe(true);
    expect(withoutMoment(new URLSearchParams(text)).toString()).toBe('tab=open&lang=en');
    for (const none of ['', 'at=', 'at=yesterday']) expect(namesMoment(new URLSearchParams(none))).toBe(false);
  });

  it('a day is the city’s, and none that has not begun', () => {
    const now = Date.parse('2026-11-24T05:00:00Z');
    const span = spanOfDay('2026-11-24', now, 'Asia/Jayapura');
    expect([new Date(span?.fromMs ?? 0).toISOString(), span?.toMs]).toEqual(['2026-11-23T15:00:00.000Z', now]);
    expect(dayOf(span?.fromMs ?? 0, 'Asia/Jayapura')).toBe('2026-11-24');
    const before = spanOfDay('2026-11-22', now, 'America/Anchorage');
    expect((before?.toMs ?? 0) - (before?.fromMs ?? 0)).toBe(24 * HOUR_MS);
    for (const none of ['2026-11-25', '', 'yesterday']) expect(spanOfDay(none, now, 'Asia/Jayapura'), none).toBeNull();
  });
});
