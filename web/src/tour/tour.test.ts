import { describe, expect, it } from 'vitest';
import { id } from '../i18n/id';
import { isDone, POINTS_AT, STEPS, type Seen } from './steps';

const NOTHING: Seen = { open: null, status: null, agency: null, searching: false };

describe('the first-day tour', () => {
  it('has seven steps, each with words and something to point at', () => {
    expect(STEPS).toHaveLength(7);
    for (const step of STEPS) {
      expect(POINTS_AT[step].length).toBeGreaterThan(0);
      expect(id).toHaveProperty([`tour.${step}`]);
      expect(id).toHaveProperty([`tour.${step}.is`]);
    }
  });

  it('sees by the page alone that a step was done', () => {
    const opened: Seen = { ...NOTHING, open: 'i:1', status: 'new', agency: 'dlh' };
    expect(isDone('open', NOTHING, NOTHING)).toBe(false);
    expect(isDone('open', opened, NOTHING)).toBe(true);
    expect(isDone('verify', opened, opened)).toBe(false);
    const verified: Seen = { ...opened, status: 'verified' };
    expect(isDone('verify', verified, opened)).toBe(true);
    expect(isDone('assign', verified, verified)).toBe(false);
    expect(isDone('assign', { ...verified, agency: 'bpbd' }, verified)).toBe(true);
    expect(isDone('find', { ...verified, searching: true }, verified)).toBe(true);
    expect(isDone('welcome', NOTHING, NOTHING)).toBe(true);
  });
});
