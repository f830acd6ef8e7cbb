import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ProblemError } from '../feed/http';
import { Reading } from './reading.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const refused = (status: number): ProblemError => new ProblemError({ type: '', title: '', detail: 'no', status });

it('asks again until there is an answer', async () => {
  const reading = new Reading<string>();
  let asked = 0;
  void reading.load(async () => {
    asked += 1;
    if (asked < 3) throw asked === 1 ? new TypeError('no network') : refused(503);
    return 'read';
  });
  await vi.advanceTimersByTimeAsync(0);
  expect([reading.fault, reading.found]).toEqual(['network', null]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([reading.fault, reading.found, asked]).toEqual([null, 'read', 3]);
});

it('what is refused is asked for once, and what was read before stands', async () => {
  const reading = new Reading<string>();
  await reading.load(async () => 'before');
  const ask = vi.fn(() => Promise.reject(refused(400)));
  await reading.load(ask);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([reading.fault, reading.refusal?.message, reading.found, ask.mock.calls.length]).toEqual(['refused', 'no', 'before', 1]);
});

it('a late answer to an earlier question says nothing', async () => {
  const reading = new Reading<string>();
  let answer = (_: string): void => undefined;
  const first = reading.load(() => new Promise<string>((resolve) => (answer = resolve)));
  await reading.load(async () => 'second');
  answer('first');
  await first;
  expect(reading.found).toBe('second');
});
