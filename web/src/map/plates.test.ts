import { describe, expect, it } from 'vitest';
import { overlap, touches, type Box, type Disc } from './boxes';
import { placePlates } from './plates';

describe('placePlates', () => {
  const surface = { frame: { x: 0, y: 0, w: 1000, h: 700 }, blocked: [{ x: 0, y: 500, w: 300, h: 200 }], bubbles: [] as Disc[], gap: 4 };
  const WHOLE = { w: 180, h: 36 };
  const COMPACT = { w: 60, h: 36 };
  const request = (id: string, x: number, y: number) => ({ id, shape: { x, y, w: 60, h: 60 }, sizes: [WHOLE, COMPACT] });

  it('keeps plates inside the frame, off panels and off one another', () => {
    const placed = placePlates([request('a', 500, 300), request('b', 540, 330), request('c', 520, 280), request('d', 30, 600), request('e', 930, 10)], surface);
    for (const [n, { box }] of placed.entries()) {
      expect(box.x >= 0 && box.y >= 0 && box.x + box.w <= 1000 && box.y + box.h <= 700).toBe(true);
      expect(overlap(box, surface.blocked[0] as Box)).toBe(0);
      for (const other of placed.slice(n + 1)) expect(overlap(box, other.box)).toBe(0);
    }
    expect(placed.map(({ id }) => id)).toContain('a');
  });

  it('leaves a plate where it was when that is as good', () => {
    const first = placePlates([request('a', 500, 300)], surface);
    const moved = placePlates([request('a', 503, 302)], surface, new Map(first.map(({ id, slot }) => [id, slot])));
    expect(moved[0]?.slot).toBe(first[0]?.slot);
  });

  it('does not push a weaker plate from its place while another is nearly as good', () => {
    const first = placePlates([request('a', 500, 300)], surface);
    const both = placePlates([request('b', 500, 300), request('a', 500, 300)], surface, new Map(first.map(({ id, slot }) => [id, slot])));
    expect(both.map(({ id }) => id)).toEqual(['b', 'a']);
    expect(both[1]?.slot).toBe(first[0]?.slot);
  });

  it('leaves out the one that has no place, never the strongest', () => {
    const narrow = { frame: { x: 0, y: 0, w: 130, h: 40 }, blocked: [], bubbles: [], gap: 4 };
    const placed = placePlates([request('a', 100, 20), request('b', 110, 25), request('c', 120, 30)], narrow);
    expect(placed[0]?.id).toBe('a');
    expect(placed.length).toBeLessThan(3);
  });

  it('never stands on a bubble, whole or compact, while a place is free', () => {
    for (const apart of [130, 150, 170, 220]) {
      const bubbles = grid(apart, 40);
      for (const { box } of placePlates([request('a', 480, 300), request('b', 200, 260), request('c', 700, 500)], { ...surface, bubbles })) {
        for (const bubble of bubbles) expect(touches(box, bubble), `${apart} apart`).toBe(false);
      }
    }
  });

  it('is compact where only that finds a place', () => {
    const [plate] = placePlates([request('a', 480, 300)], { ...surface, bubbles: grid(130, 44) });
    expect(plate?.size).toBe(1);
  });

  it('touches a rim where nothing else is left, a number never', () => {
    const one = { frame: { x: 0, y: 0, w: 300, h: 60 }, blocked: [], bubbles: [{ x: 260, y: 30, r: 60 }], gap: 4 };
    const plates = (w: number) => placePlates([{ ...request('a', 0, 0), sizes: [{ w, h: 36 }] }], one);
    expect(plates(190).map(({ box }) => touches(box, one.bubbles[0] as Disc))).toEqual([false]);
    expect(plates(205).map(({ box }) => touches(box, one.bubbles[0] as Disc))).toEqual([true]);
    expect(plates(215)).toEqual([]);
  });

  it('stays while a bubble only grows into the gap', () => {
    const crowd = grid(150, 30).filter(({ x }) => x > 600);
    const place = (bubbles: Disc[], slot?: string) => placePlates([request('a', 480, 300)], { ...surface, bubbles }, new Map(slot === undefined ? [] : [['a', slot]]))[0];
    const first = place(crowd);
    const near = { x: (first?.box.x ?? 0) - 32, y: (first?.box.y ?? 0) + 18, r: 30 };
    expect(place([...crowd, near], first?.slot)?.slot).toBe(first?.slot);
    expect(place([...crowd, near])?.slot).not.toBe(first?.slot);
  });

  function grid(apart: number, r: number): Disc[] {
    return Array.from({ length: 400 }, (_, n) => ({ x: (n % 20) * apart, y: Math.floor(n / 20) * apart, r }));
  }
});
