import { describe, expect, it } from 'vitest';
import type { Cluster, Incident, MapItem } from '../feed/protocol';
import { bubbleOf, bubbleRadius_px, bubbleWith, toBubbles, type Bubble } from './bubbles';
import { cellOf, fromWorldPx, toWorldPx } from './mercator';

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

  describe('after an earlier drawing', () => {
    const ZOOM = 12;
    const at = (id: string, x_px: number, garbage: number): Cluster => {
      const [lng, lat] = fromWorldPx({ x: 900_000 + x_px, y: 1_040_000 }, ZOOM);
      return cluster(id, lng, lat, { garbage });
    };
    const groups = (items: Cluster[], before: Bubble[] = []): string[] =>
      toBubbles(items, ZOOM, 1, before).map(({ members }) => members.map(({ id }) => id).sort().join('+')).sort();
    const touching_px = 2 * bubbleRadius_px(9);

    it('what stood apart may use the gap up, what was one stays one while it nearly touches', () => {
      const near = [at('a', 0, 9), at('b', touching_px + 1, 9)];
      expect(groups(near)).toEqual(['a+b']);
      expect(groups(near, toBubbles([at('a', 0, 9), at('b', touching_px + 3, 9)], ZOOM, 1))).toEqual(['a', 'b']);
      expect(groups([at('a', 0, 9), at('b', touching_px + 3, 9)], toBubbles(near, ZOOM, 1))).toEqual(['a+b']);
      expect(groups([at('a', 0, 9), at('b', touching_px + 5, 9)], toBubbles(near, ZOOM, 1))).toEqual(['a', 'b']);
    });

    it('what was one is not torn apart because a part of it comes near another', () => {
      const [a, c] = [at('a', -30, 9), at('c', 54, 40)];
      const before = toBubbles([a, at('b', 0, 16), c], ZOOM, 1);
      expect(groups([a, at('b', 0, 16), c])).toEqual(['a+b', 'c']);
      expect(groups([a, at('b', 0, 24), c])).toEqual(['a', 'b+c']);
      expect(groups([a, at('b', 0, 24), c], before)).toEqual(['a+b', 'c']);
    });
  });

  it('knows the bubble that something is part of', () => {
    const items = [cluster('c:15/1/1', 127.38, 0.79, { garbage: 6 }), incident('i:1', 127.3805, 0.7903), incident('i:2', 127.5, 0.79)];
    const bubbles = toBubbles(items, 12, 1);
    expect(bubbleOf(bubbles, [127.3805, 0.7903])?.id).toBe('c:15/1/1');
    expect(bubbleOf(bubbles, [127.5, 0.79])?.id).toBe('i:2');
    expect(bubbleOf(bubbles, [127.6, 0.79])).toBeUndefined();
  });

  it('knows the bubble that shows an incident: itself, merged with neighbours, or counted by its cell', () => {
    const [alone, near, hidden] = [incident('i:1', 127.5, 0.79), incident('i:2', 127.3805, 0.7903), incident('i:3', 127.3, 0.7)];
    const cell = `c:${cellOf(hidden.at, 15)}`;
    const bubbles = toBubbles([alone, near, cluster('c:15/1/1', 127.38, 0.79, { garbage: 6 }), cluster(cell, 127.3, 0.7, { water: 2 })], 12, 1);
    expect([alone, near, hidden].map((one) => bubbleWith(bubbles, one, 15)?.id)).toEqual(['i:1', 'c:15/1/1', cell]);
    expect(bubbleWith(bubbles, incident('i:4', 127.6, 0.79), 15)).toBeUndefined();
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
      check(items, bubbles, zoom);
      expect(toBubbles([...items].reverse(), zoom, scale)).toEqual(bubbles);
      const later = items.filter(() => random() < 0.9).map((item): MapItem => {
        if (item.kind === 'incident' || random() < 0.5) return item;
        return cluster(item.id, item.at[0] + random() * 0.002, item.at[1], { garbage: item.count + Math.floor(random() * 4) });
      });
      check(later, toBubbles(later, zoom, scale, bubbles), zoom);
    });
  }

  function check(items: readonly MapItem[], bubbles: readonly Bubble[], zoom: number): void {
    expect(sum(bubbles.map(({ count }) => count))).toBe(sum(items.map((item) => (item.kind === 'cluster' ? item.count : 1))));
    for (const bubble of bubbles) expect(sum(Object.values(bubble.byCategory))).toBe(bubble.count);
    expect(new Set(bubbles.flatMap(({ members }) => members.map(({ id }) => id))).size).toBe(items.length);
    for (const [n, a] of bubbles.entries()) {
      for (const b of bubbles.slice(n + 1)) {
        const [p, q] = [toWorldPx(a.at, zoom), toWorldPx(b.at, zoom)];
        expect(Math.hypot(p.x - q.x, p.y - q.y)).toBeGreaterThanOrEqual(a.r_px + b.r_px - 1e-6);
      }
    }
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
