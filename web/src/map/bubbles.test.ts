import { describe, expect, it } from 'vitest';
import type { Cluster, Incident, MapItem } from '../feed/protocol';
import { bubbleRadius_px, toBubbles } from './bubbles';
import { toWorldPx } from './mercator';

describe('toBubbles', () => {
  it('leaves what does not touch as it is', () => {
    const items = [incident('a', 127.3, 0.7), cluster('c:15/1/1', 127.4, 0.9, { garbage: 5 })];
    expect(toBubbles(items, 13, 1).map(({ id, count }) => [id, count])).toEqual([['c:15/1/1', 5], ['a', 1]]);
  });

  it('merges neighbours that touch, under the id of the heaviest, at their common middle', () => {
    const items = [cluster('c:15/1/1', 127.38, 0.79, { garbage: 6 }), cluster('c:15/1/2', 127.381, 0.79, { water: 3 }), incident('i:1', 127.3805, 0.7903)];
    const [only, ...rest] = toBubbles(items, 12, 1);
    expect(rest).toEqual([]);
    expect(only).toMatchObject({ id: 'c:15/1/1', count: 10, byCategory: { garbage: 7, water: 3 }, incident: null });
    expect(only?.at[0]).toBeCloseTo((127.38 * 6 + 127.381 * 3 + 127.3805) / 10, 5);
  });

  it('a bigger count is never a smaller bubble', () => {
    for (let n = 2; n < 500; n++) expect(bubbleRadius_px(n + 1)).toBeGreaterThanOrEqual(bubbleRadius_px(n));
  });

  for (let seed = 1; seed <= 100; seed++) {
    it(`no two bubbles overlap and every total is exact, seed ${seed}`, () => {
      const random = lcg(seed);
      const items = Array.from({ length: 1 + Math.floor(random() * 120) }, (_, n): MapItem => {
        const [lng, lat] = [127.3 + random() * 0.1, 0.75 + random() * 0.12];
        if (random() < 0.4) return incident(`i:${n}`, lng, lat);
        return cluster(`c:15/${n}/0`, lng, lat, { garbage: 1 + Math.floor(random() * 40), water: 1 + Math.floor(random() * 9) });
      });
      const zoom = 10 + random() * 5;
      const scale = 1 + random() * 2;
      const bubbles = toBubbles(items, zoom, scale);
      expect(sum(bubbles.map(({ count }) => count))).toBe(sum(items.map((item) => (item.kind === 'cluster' ? item.count : 1))));
      for (const bubble of bubbles) expect(sum(Object.values(bubble.byCategory))).toBe(bubble.count);
      expect(new Set(bubbles.flatMap(({ members }) => members.map(({ id }) => id))).size).toBe(items.length);
      for (const [n, a] of bubbles.entries()) {
        for (const b of bubbles.slice(n + 1)) {
          const [p, q] = [toWorldPx(a.at, zoom), toWorldPx(b.at, zoom)];
          expect(Math.hypot(p.x - q.x, p.y - q.y)).toBeGreaterThanOrEqual(a.r_px + b.r_px);
        }
      }
      expect(toBubbles([...items].reverse(), zoom, scale)).toEqual(bubbles);
    });
  }
});

function cluster(id: string, lng: number, lat: number, byCategory: Record<string, number>): Cluster {
  return { kind: 'cluster', id, at: [lng, lat], count: sum(Object.values(byCategory)), reports: 0, byCategory, overdue: 0, expandZoom: null };
}

function incident(id: string, lng: number, lat: number): Incident {
  return {
    kind: 'incident', id, at: [lng, lat], category: 'garbage', status: 'new', reports: 1, title: null, area: null, agency: null,
    openedAtMs: 0, updatedAtMs: 0, dueAtMs: null, overdue: false, drill: false, version: null,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

function lcg(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return Math.abs(state) / 4294967296;
  };
}
