import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { midnight } from '../statistics/period';
import { decodeMoment } from './moment';
import { bins, fromAddress, pass, press, seek, toggle, type Player } from './player';
import { LatestReader } from './reader';

const HOUR_MS = 3_600_000;
const DAY: Player = { fromMs: 0, toMs: 24 * HOUR_MS, atMs: 0, speed: 60, playing: false };
const key = (of: string, shift = false): { key: string; shift: boolean; other: boolean } => ({ key: of, shift, other: false });

describe('the hand on the clock', () => {
  it('runs so many times faster, and stops at the end', () => {
    const running = toggle(DAY);
    expect(pass(running, 1_000).atMs).toBe(60_000);
    expect(pass(DAY, 1_000).atMs).toBe(0);
    const late = pass({ ...running, atMs: DAY.toMs - 30_000 }, 1_000);
    expect([late.atMs, late.playing]).toEqual([DAY.toMs, false]);
    expect(toggle(late)).toMatchObject({ atMs: 0, playing: true });
  });

  it('is led by keys, and never leaves its day', () => {
    expect(press(DAY, key('ArrowRight'))?.atMs).toBe(60_000);
    expect(press(DAY, key('ArrowRight', true))?.atMs).toBe(15 * 60_000);
    expect(press(DAY, key('ArrowLeft'))?.atMs).toBe(0);
    expect(press(DAY, key('End'))?.atMs).toBe(DAY.toMs);
    expect(press({ ...DAY, playing: true }, key(' '))?.playing).toBe(false);
    expect([1, 2, 3].reduce((player) => press(player, key('ArrowUp')) ?? player, DAY).speed).toBe(600);
    expect([1, 2, 3].reduce((player) => press(player, key('ArrowDown')) ?? player, DAY).speed).toBe(1);
    expect(press(DAY, key('q'))).toBeNull();
    expect(press(DAY, { key: 'ArrowLeft', shift: false, other: true })).toBeNull();
    expect(seek(DAY, -1).atMs).toBe(0);
  });

  it('begins where the address says, and knows nothing of the future', () => {
    const now = Date.parse('2026-11-24T05:00:00Z');
    const read = (text: string): Player => fromAddress(new URLSearchParams(text), now, (ms) => midnight(ms, 'Asia/Jayapura'));
    const today = read('');
    expect(new Date(today.fromMs).toISOString()).toBe('2026-11-23T15:00:00.000Z');
    expect([today.toMs, today.atMs]).toEqual([now, today.fromMs]);
    const before = read('at=2026-11-22T05:05:00Z&speed=300');
    expect(new Date(before.atMs).toISOString()).toBe('2026-11-22T05:05:00.000Z');
    expect(before.toMs - before.fromMs).toBe(24 * HOUR_MS);
    expect(before.speed).toBe(300);
    expect(read('at=2027-01-01T00:00:00Z').atMs).toBe(now);
    expect(read('at=yesterday&speed=7')).toEqual(today);
  });

  it('counts what came in by parts of its span', () => {
    expect(bins([0, 1, 9, 10, 99, 100, -1], 0, 100, 10)).toEqual([3, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
  });
});

describe('a moment', () => {
  it('is read from the answers as the server’s tests pin them', () => {
    const read = (name: string): unknown => JSON.parse(readFileSync(resolve(import.meta.dirname, `../../../tests/wire/rest/${name}.json`), 'utf8'));
    const view = decodeMoment(read('clusters'), read('hotspots'), read('stats'));
    expect(view.items.size).toBeGreaterThan(1);
    expect(view.hotspots.size).toBeGreaterThan(0);
    expect(view.stats?.total).toBeGreaterThan(0);
  });

  it('that nobody waits for any more is not asked for', async () => {
    const asked: number[] = [];
    const told: number[] = [];
    const answers: (() => void)[] = [];
    const reader = new LatestReader<number, number>(
      (wish) => {
        asked.push(wish);
        return new Promise((answer) => answers.push(() => answer(wish)));
      },
      (wish) => told.push(wish),
      () => told.push(-1),
    );
    for (const wish of [1, 2, 3]) reader.ask(wish);
    while (answers.length > 0 || reader.isBusy) {
      answers.shift()?.();
      await Promise.resolve();
    }
    expect(asked).toEqual([1, 3]);
    expect(told).toEqual([1, 3]);
  });

  it('that could not be read leaves the way free for the next', async () => {
    const told: (number | string)[] = [];
    const reader = new LatestReader<number, number>((wish) => (wish === 1 ? Promise.reject(new Error('no')) : Promise.resolve(wish)), (wish) => told.push(wish), () => told.push('failed'));
    reader.ask(1);
    reader.ask(2);
    while (reader.isBusy) await Promise.resolve();
    expect(told).toEqual(['failed', 2]);
  });
});
