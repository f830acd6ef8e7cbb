import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Incident } from '../feed/protocol';
import { learn, toHours } from './hours';
import { Lists } from './lists.svelte';
import { planRail, ROWS_MAX } from './rail';

const NOW_MS = Date.parse('2026-11-24T05:05:32Z');
const HOUR_MS = 3_600_000;

describe('the hours strip', () => {
  const opened = (id: string, hoursAgo: number, category = 'water', status: Incident['status'] = 'new'): Incident => ({
    kind: 'incident', id, at: [0, 0], category, status, reports: 1, title: null, area: null, agency: null,
    openedAtMs: NOW_MS - hoursAgo * HOUR_MS, updatedAtMs: 0, dueAtMs: null, overdue: false, drill: false, version: null,
  });

  it('has 24 hours, the running one last, and counts each incident once', () => {
    let known = learn(new Map(), [opened('a', 0), opened('b', 1), opened('c', 22.9)], NOW_MS);
    known = learn(known, [opened('a', 0), opened('d', 0, 'garbage')], NOW_MS);
    const hours = toHours(known, NOW_MS);
    expect(hours).toHaveLength(24);
    expect(hours[23]).toMatchObject({ total: 2, byCategory: { water: 1, garbage: 1 } });
    expect(hours[22]?.total).toBe(1);
    expect(hours.reduce((sum, { total }) => sum + total, 0)).toBe(4);
  });

  it('lets go of what is older and of what was rejected', () => {
    const known = learn(learn(new Map(), [opened('a', 0), opened('old', 30)], NOW_MS), [opened('a', 0, 'water', 'rejected')], NOW_MS);
    expect(known.size).toBe(0);
  });
});

describe('the rail', () => {
  it('never has more than seven rows, nor more than fits, nor more than there is', () => {
    for (let lines = 4; lines <= 40; lines += 0.5) {
      for (const hotspots of [0, 1, 3, 9]) {
        for (const newest of [0, 1, 8]) {
          for (const overdue of [0, 1, 30]) {
            const plan = planRail(lines, { hotspots, newest, overdue });
            const what = JSON.stringify({ lines, hotspots, newest, overdue, plan });
            expect(plan.hotspots + plan.newest + plan.overdue, what).toBeLessThanOrEqual(ROWS_MAX);
            expect(Math.min(plan.hotspots, plan.newest, plan.overdue, plan.whys), what).toBeGreaterThanOrEqual(0);
            expect(plan.hotspots <= hotspots && plan.newest <= newest && plan.overdue <= overdue, what).toBe(true);
            const headings = 3 - Number(newest > 0 && plan.newest === 0) - Number(overdue === 0);
            if (lines >= 8) expect(headings * 1.3 + plan.hotspots * 2.5 + plan.whys * 2 + (plan.newest + plan.overdue) * 1.15, what).toBeLessThanOrEqual(lines + 0.01);
          }
        }
      }
    }
  });

  it('shows the strongest hotspot before anything else, however large the type', () => {
    for (let lines = 6.5; lines <= 20; lines += 0.5) expect(planRail(lines, { hotspots: 3, newest: 9, overdue: 30 }).hotspots, String(lines)).toBeGreaterThan(0);
  });

  it('gives names a line of their own in large type, but not at the price of the strongest hotspot', () => {
    expect(planRail(8.4, { hotspots: 4, newest: 9, overdue: 15 }, true)).toMatchObject({ hotspots: 1, newest: 0, overdue: 1, tall: true });
    expect(planRail(7, { hotspots: 4, newest: 9, overdue: 15 }, true)).toMatchObject({ hotspots: 1, tall: false });
  });

  it('a full wall shows three hotspots, the first with its reason, three newest and one overdue', () => {
    expect(planRail(19.5, { hotspots: 5, newest: 9, overdue: 30 })).toEqual({ hotspots: 3, whys: 1, newest: 3, overdue: 1, tall: false });
  });
});

describe('the lists', () => {
  let fails = false;
  const asked: URLSearchParams[] = [];

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    vi.stubGlobal('window', globalThis);
    asked.length = 0;
    vi.stubGlobal('fetch', async (url: string) => {
      asked.push(new URLSearchParams(url.split('?')[1]));
      return fails ? Response.json({}, { status: 503 }) : Response.json({ features: [], numberMatched: 0 });
    });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('ask a server that fails now and then, not at the speed of the network', async () => {
    fails = true;
    const lists = new Lists({}, () => NOW_MS);
    lists.poke();
    await vi.advanceTimersByTimeAsync(10_000);
    const rounds = asked.filter((query) => query.get('overdue') === 'true').length;
    expect(rounds).toBeGreaterThan(2);
    expect(rounds).toBeLessThan(8);
    fails = false;
    await vi.advanceTimersByTimeAsync(3_000);
    expect(lists.loaded).toBe(true);
  });
});
