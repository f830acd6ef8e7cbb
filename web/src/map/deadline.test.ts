import { describe, expect, it } from 'vitest';
import { CLOCK_STATES, type Clock, type ClockState } from '../feed/protocol';
import { DEADLINE_SIGNS, deadlineOf } from './deadline';
import { PALETTES } from './palette';

const clock = (state: ClockState): Clock => ({ step: 'verify', state, dueAtMs: null, warnAtMs: null, escalation: 0, paused: null });

describe('the sign of a deadline', () => {
  it('is the clock’s, and what is late where no clock is told', () => {
    for (const state of CLOCK_STATES) expect(deadlineOf({ clock: clock(state), overdue: state === 'late' }, 'staff')).toBe(state);
    expect(deadlineOf({ overdue: true }, 'responder')).toBe('late');
    expect(deadlineOf({ overdue: false }, 'staff')).toBeNull();
  });

  it('is never on a public map', () => {
    expect(deadlineOf({ overdue: true }, 'public')).toBeNull();
    expect(deadlineOf({ clock: clock('late'), overdue: true }, 'public')).toBeNull();
  });

  it('has a shape of its own for each state, not a colour alone', () => {
    const shapes = CLOCK_STATES.map((state) => DEADLINE_SIGNS[state].body);
    expect(new Set(shapes).size).toBe(CLOCK_STATES.length);
  });

  it('stands out from the ground in both themes: 3 to 1 for its line, and for what stands in it', () => {
    for (const theme of ['dark', 'day'] as const) {
      const { deadline, panel } = PALETTES[theme];
      for (const state of CLOCK_STATES) {
        const { fill, line, ink } = deadline[state];
        expect(Math.max(contrast(line, panel), contrast(fill, panel)), `${theme} ${state} on the ground`).toBeGreaterThanOrEqual(3);
        expect(contrast(ink, fill), `${theme} ${state} inside`).toBeGreaterThanOrEqual(3);
      }
    }
  });
});

/** WCAG 2.2, relative luminance of `#rrggbb`. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}
