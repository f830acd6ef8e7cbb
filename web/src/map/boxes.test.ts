import { describe, expect, it } from 'vitest';
import { cutUp, edgesOf, overlap } from './boxes';

describe('edgesOf', () => {
  it('lies along the inside of all four edges', () => {
    const frame = { x: 10, y: 20, w: 100, h: 60 };
    const edges = edgesOf(frame, 8);
    for (const edge of edges) expect(overlap(edge, frame)).toBe(edge.w * edge.h);
    for (const name of [{ x: 0, y: 40, w: 30, h: 9 }, { x: 95, y: 40, w: 30, h: 9 }, { x: 50, y: 15, w: 30, h: 9 }, { x: 50, y: 75, w: 30, h: 9 }]) {
      expect(edges.filter((edge) => overlap(edge, name) > 0)).toHaveLength(1);
    }
    expect(edges.every((edge) => overlap(edge, { x: 50, y: 40, w: 30, h: 9 }) === 0)).toBe(true);
  });
});

describe('cutUp', () => {
  it('covers the same in pieces that are small enough', () => {
    const box = { x: 5, y: 5, w: 250, h: 90 };
    const pieces = cutUp(box, 100);
    expect(pieces).toHaveLength(3);
    expect(pieces.every(({ w, h }) => w <= 100 && h <= 100)).toBe(true);
    expect(pieces.reduce((sum, piece) => sum + overlap(piece, box), 0)).toBeCloseTo(250 * 90);
  });

  it('leaves whole what is small enough', () => {
    expect(cutUp({ x: 1, y: 2, w: 30, h: 8 }, 100)).toEqual([{ x: 1, y: 2, w: 30, h: 8 }]);
  });
});
