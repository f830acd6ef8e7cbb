/** Lengths of time as a document says them, and the marks of an axis for them. Pure. */
import type { Words } from '../i18n';

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;

/** `40 dtk`, `35 mnt`, `5,5 jam`, `3,2 hari`; a dash where there is none. */
export function sayLength(seconds: number | null, words: Words): string {
  if (seconds === null) return '–';
  const one = (value: number): number => Math.round(value * 10) / 10;
  if (seconds < MINUTE_S) return words.t('length.s', { n: Math.round(seconds) });
  if (seconds < 90 * MINUTE_S) return words.t('length.min', { n: Math.round(seconds / MINUTE_S) });
  if (seconds < 2 * DAY_S) return words.t('length.h', { n: one(seconds / HOUR_S) });
  return words.t('length.d', { n: one(seconds / DAY_S) });
}

const STEPS_S = [10, 30, MINUTE_S, 2 * MINUTE_S, 5 * MINUTE_S, 10 * MINUTE_S, 15 * MINUTE_S, 30 * MINUTE_S, HOUR_S, 2 * HOUR_S, 3 * HOUR_S, 6 * HOUR_S, 12 * HOUR_S, DAY_S, 2 * DAY_S, 5 * DAY_S, 10 * DAY_S, 20 * DAY_S, 50 * DAY_S, 100 * DAY_S];
const MARKS_MAX = 4;

export interface Axis {
  /** Its end, in seconds. */
  readonly max_s: number;
  /** From 0 on. */
  readonly marks_s: readonly number[];
}

/** An axis from 0 that holds `largest_s`, with at most four round marks after 0. */
export function axisFor(largest_s: number): Axis {
  const needed = Math.max(largest_s, 1);
  const step = STEPS_S.find((one) => needed / one <= MARKS_MAX) ?? Math.ceil(needed / MARKS_MAX / DAY_S) * DAY_S;
  const count = Math.max(1, Math.ceil(needed / step));
  return { max_s: count * step, marks_s: Array.from({ length: count + 1 }, (_, n) => n * step) };
}

/** The round number at or above `largest` that an axis of counts ends at. */
export function roundUp(largest: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, largest)));
  const found = [1, 2, 4, 10].find((factor) => factor * power >= largest) ?? 10;
  return Math.max(4, found * power);
}
